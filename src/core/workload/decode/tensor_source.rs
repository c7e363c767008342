//! Where the tensors of a model come from.

/// Named tensors, wherever they are stored.
pub trait TensorSource {
    fn names(&self) -> Vec<String>;
    /// Nothing where there is no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// Row-major elements, widened to f32 exactly; or what is wrong with them.
    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String>;
}
