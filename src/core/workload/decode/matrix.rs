//! A matrix of a model, kept in the type that its file has: nothing is unpacked before it is used.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::file_bytes::Shared;
use super::format::Format;
use crate::pause::pause;

/// A matrix over a vector, `[inputs, outputs]`.
#[derive(Clone, Debug)]
pub struct Matrix {
    inputs: usize,
    outputs: usize,
    stored: Stored,
}

#[derive(Clone, Debug)]
enum Stored {
    /// A row for each input, as Hugging Face's `Conv1D` has them.
    ByInput(Rows),
    /// A row for each output, in parts that stand one above another: query, key and value, say.
    ByOutput(Vec<Rows>),
}

/// Rows of weights in one format, one after another.
#[derive(Clone, Debug)]
pub struct Rows {
    width: usize,
    elements: Elements,
    order: Order,
}

#[derive(Clone, Debug)]
enum Elements {
    F32(Arc<Vec<f32>>),
    /// As files have them: a block of the format after another.
    Packed(Format, Shared),
}

/// Where a row is among those that are stored.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Same,
    /// Rows of a head that are turned together lie side by side, where they are meant to lie half a head apart; of how many rows a
    /// head is.
    Paired {
        head: usize,
    },
}

impl Rows {
    pub fn of_f32(values: Vec<f32>, width: usize) -> Rows {
        Rows { width, elements: Elements::F32(Arc::new(values)), order: Order::Same }
    }

    /// `bytes` are whole rows, each of whole blocks.
    pub fn packed(format: Format, bytes: impl Into<Shared>, width: usize) -> Rows {
        Rows { width, elements: Elements::Packed(format, bytes.into()), order: Order::Same }
    }

    /// The same rows, read in another order.
    pub fn in_order(self, order: Order) -> Rows {
        Rows { order, ..self }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::F32(values) => values.len().checked_div(self.width).unwrap_or(0),
            Elements::Packed(format, bytes) => {
                bytes.as_ref().len().checked_div(format.row_bytes(self.width)).unwrap_or(0)
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn format(&self) -> Format {
        match &self.elements {
            Elements::F32(_) => Format::F32,
            Elements::Packed(format, _) => *format,
        }
    }

    fn place(&self, row: usize) -> usize {
        match self.order {
            Order::Same => row,
            Order::Paired { head } => row / head * head + row % head % (head / 2) * 2 + row % head / (head / 2),
        }
    }

    /// The elements of a row.
    pub fn row(&self, row: usize) -> Cow<'_, [f32]> {
        let mut unpacked = Vec::new();
        match self.row_in(row, &mut unpacked) {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(unpacked),
        }
    }

    /// The elements of a row where they lie in f32; else they are unpacked into `room`, in place of what was there.
    fn row_in(&self, row: usize, room: &mut Vec<f32>) -> Option<&[f32]> {
        if let Some(values) = self.as_f32() {
            return Some(&values[self.place(row) * self.width..][..self.width]);
        }
        room.clear();
        self.format().unpack(self.bytes(row).expect("packed"), self.width, room);
        None
    }

    /// All elements as they are stored, where that is in f32 and at a place where numbers can be read.
    fn as_f32(&self) -> Option<&[f32]> {
        match &self.elements {
            Elements::F32(values) => Some(values),
            Elements::Packed(Format::F32, bytes) if cfg!(target_endian = "little") => {
                bytemuck::try_cast_slice(bytes.as_ref()).ok()
            }
            Elements::Packed(..) => None,
        }
    }

    /// A row as a file has it; nothing of numbers that came from elsewhere.
    pub fn bytes(&self, row: usize) -> Option<&[u8]> {
        let place = self.place(row);
        match &self.elements {
            Elements::F32(_) => None,
            Elements::Packed(format, bytes) => {
                let length = format.row_bytes(self.width);
                Some(&bytes.as_ref()[place * length..][..length])
            }
        }
    }

    /// All elements in f32.
    pub fn all(&self) -> Vec<f32> {
        let mut all = Vec::with_capacity(self.len() * self.width);
        (0..self.len()).for_each(|row| all.extend_from_slice(&self.row(row)));
        all
    }

    /// The first element that is infinite or NaN: its row, its place in that, and its value.
    pub fn unfinite(&self) -> Option<(usize, usize, f32)> {
        (0..self.len()).find_map(|row| {
            let values = self.row(row);
            // Quicker than a look at each by itself.
            let largest = values.iter().fold(0, |largest, value| largest.max(value.to_bits() << 1));
            if largest < f32::INFINITY.to_bits() << 1 {
                return None;
            }
            let column = values.iter().position(|value| !value.is_finite())?;
            Some((row, column, values[column]))
        })
    }
}

/// Weights of a matrix from which on starting threads pays; what a page works on for some milliseconds.
const LARGE: usize = 1 << 20;

impl Default for Matrix {
    fn default() -> Matrix {
        Matrix::by_input(Rows::of_f32(Vec::new(), 0))
    }
}

impl Matrix {
    /// A row for each input.
    pub fn by_input(rows: Rows) -> Matrix {
        Matrix { inputs: rows.len(), outputs: rows.width(), stored: Stored::ByInput(rows) }
    }

    /// A row for each output, in parts of one width, one above another.
    pub fn by_output(parts: Vec<Rows>) -> Matrix {
        let outputs = parts.iter().map(Rows::len).sum();
        Matrix { inputs: parts.first().map_or(0, Rows::width), outputs, stored: Stored::ByOutput(parts) }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    pub fn is_empty(&self) -> bool {
        self.inputs * self.outputs == 0
    }

    /// The format that all of it is stored in; nothing where parts differ.
    pub fn format(&self) -> Option<Format> {
        let parts = match &self.stored {
            Stored::ByInput(rows) => std::slice::from_ref(rows),
            Stored::ByOutput(parts) => parts,
        };
        let first = parts.first().map_or(Format::F32, Rows::format);
        parts.iter().all(|part| part.format() == first).then_some(first)
    }

    /// The rows and the row in them that hold an output's weights, where each output has a row.
    fn part(&self, output: usize) -> Option<(&Rows, usize)> {
        let Stored::ByOutput(parts) = &self.stored else { return None };
        let mut row = output;
        for part in parts {
            if row < part.len() {
                return Some((part, row));
            }
            row -= part.len();
        }
        None
    }

    /// The weights of an output as they are packed, where each output has a row that is.
    pub fn packed(&self, output: usize) -> Option<&[u8]> {
        let (rows, row) = self.part(output)?;
        rows.bytes(row)
    }

    /// The weights of an output, `[inputs]`, where each output has a row.
    pub fn row(&self, output: usize) -> Cow<'_, [f32]> {
        let (rows, row) = self.part(output).expect("a matrix whose outputs have rows");
        rows.row(row)
    }

    /// Each output's weights, `[inputs]`, in turn.
    pub fn each_output(&self, mut of: impl FnMut(usize, &[f32])) {
        const AT_ONCE: usize = 16;
        let Stored::ByInput(rows) = &self.stored else {
            (0..self.outputs).for_each(|output| of(output, &self.row(output)));
            return;
        };
        let mut columns = vec![0.0; AT_ONCE * self.inputs];
        for first in (0..self.outputs).step_by(AT_ONCE) {
            let count = AT_ONCE.min(self.outputs - first);
            for input in 0..self.inputs {
                let row = rows.row(input);
                for (column, &weight) in row[first..first + count].iter().enumerate() {
                    columns[column * self.inputs + input] = weight;
                }
            }
            for column in 0..count {
                of(first + column, &columns[column * self.inputs..][..self.inputs]);
            }
        }
    }

    /// y += x W: `[inputs]` to `[outputs]`, in f64. Without threads, as in a page, a large product is made in parts with a pause
    /// after each.
    pub async fn multiply(&self, x: &[f64], y: &mut [f64]) {
        // Each output is a sum of its own, whichever thread adds it up.
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
        if threads > 1 && self.inputs * self.outputs >= LARGE {
            let each = self.outputs.div_ceil(threads);
            return std::thread::scope(|scope| {
                for (index, sums) in y.chunks_mut(each).enumerate() {
                    scope.spawn(move || self.add_products(0, x, index * each, sums));
                }
            });
        }
        // Whole rows, so that none is unpacked twice.
        let rows = |width: usize| (LARGE / width.max(1)).max(1);
        match &self.stored {
            Stored::ByInput(_) => {
                let each = rows(self.outputs);
                for (index, x) in x.chunks(each).enumerate() {
                    self.add_products(index * each, x, 0, y);
                    pause().await;
                }
            }
            Stored::ByOutput(_) => {
                let each = rows(self.inputs);
                for (index, sums) in y.chunks_mut(each).enumerate() {
                    self.add_products(0, x, index * each, sums);
                    pause().await;
                }
            }
        }
    }

    /// The same of inputs from `input` on, all of them where outputs have rows, to outputs from `output` on.
    fn add_products(&self, input: usize, x: &[f64], output: usize, sums: &mut [f64]) {
        let mut room = Vec::new();
        match &self.stored {
            Stored::ByInput(rows) => {
                for (input, value) in (input..).zip(x) {
                    let row = rows.row_in(input, &mut room).unwrap_or(&room);
                    for (sum, &weight) in sums.iter_mut().zip(&row[output..]) {
                        *sum += value * f64::from(weight);
                    }
                }
            }
            Stored::ByOutput(_) => {
                for (output, sum) in (output..).zip(sums) {
                    let (rows, row) = self.part(output).expect("a matrix whose outputs have rows");
                    *sum += dot(x, rows.row_in(row, &mut room).unwrap_or(&room));
                }
            }
        }
    }

    /// The weights from some inputs to some outputs, each with both. They come as they are stored.
    pub fn each_weight(&self, inputs: Range<usize>, outputs: Range<usize>, mut of: impl FnMut(usize, usize, f32)) {
        match &self.stored {
            Stored::ByInput(rows) => {
                for input in inputs {
                    let row = rows.row(input);
                    outputs.clone().zip(&row[outputs.clone()]).for_each(|(output, &weight)| of(input, output, weight));
                }
            }
            Stored::ByOutput(_) => {
                for output in outputs {
                    let row = self.row(output);
                    inputs.clone().zip(&row[inputs.clone()]).for_each(|(input, &weight)| of(input, output, weight));
                }
            }
        }
    }

    /// All weights in f32, `[inputs, outputs]` row-major.
    pub fn by_inputs(&self) -> Cow<'_, [f32]> {
        match &self.stored {
            Stored::ByInput(rows) => rows.as_f32().map_or_else(|| Cow::Owned(rows.all()), Cow::Borrowed),
            Stored::ByOutput(_) => {
                let mut all = vec![0.0; self.inputs * self.outputs];
                self.each_output(|output, row| {
                    row.iter().enumerate().for_each(|(input, &weight)| all[input * self.outputs + output] = weight);
                });
                Cow::Owned(all)
            }
        }
    }

    /// All weights in f32, `[outputs, inputs]` row-major.
    pub fn by_outputs(&self) -> Cow<'_, [f32]> {
        if let Stored::ByOutput(parts) = &self.stored
            && let [rows @ Rows { order: Order::Same, .. }] = parts.as_slice()
            && let Some(values) = rows.as_f32()
        {
            return Cow::Borrowed(values);
        }
        let mut all = Vec::with_capacity(self.inputs * self.outputs);
        self.each_output(|_, row| all.extend_from_slice(row));
        Cow::Owned(all)
    }

    /// The same matrix rounded to a format: itself, where it is in that or is to be in f32.
    pub fn rounded(&self, format: Format) -> Matrix {
        // Blocks go along the weights of an output.
        let is_so =
            self.format() == Some(format) && (format.block() == 1 || matches!(self.stored, Stored::ByOutput(_)));
        if format == Format::F32 || is_so {
            return self.clone();
        }
        let mut bytes = Vec::with_capacity(self.outputs * format.row_bytes(self.inputs));
        self.each_output(|_, row| format.pack(row, &mut bytes));
        Matrix::by_output(vec![Rows::packed(format, bytes, self.inputs)])
    }

    /// The first weight that a format has no number for, by input and output.
    pub fn beyond(&self, format: Format) -> Option<(usize, usize, f32)> {
        if format == Format::F32 || self.format() == Some(format) {
            return None;
        }
        let mut found = None;
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        self.each_output(|output, row| {
            if found.is_some() || row.iter().all(|weight| weight.abs() < format.largest()) {
                return;
            }
            bytes.clear();
            values.clear();
            format.pack(row, &mut bytes);
            format.unpack(&bytes, row.len(), &mut values);
            if let Some(input) = values.iter().position(|value| !value.is_finite()) {
                // Of a block, whose numbers share a scale, the one that is to blame.
                let block = &row[input..row.len().min(input + format.block())];
                let worst =
                    block.iter().enumerate().fold(0, |at, (i, x)| if x.abs() > block[at].abs() { i } else { at });
                found = Some((input + worst, output, row[input + worst]));
            }
        });
        found
    }
}

/// Whether both are the same matrix, however they are stored.
impl PartialEq for Matrix {
    fn eq(&self, other: &Matrix) -> bool {
        (self.inputs, self.outputs) == (other.inputs, other.outputs) && self.by_inputs() == other.by_inputs()
    }
}

/// Inner product in eight interleaved sums, which the compiler keeps in vector registers.
fn dot(x: &[f64], y: &[f32]) -> f64 {
    let ((x_chunks, x_rest), (y_chunks, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for ((sum, x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * f64::from(y);
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, &y)| x * f64::from(y)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pause::at_once;

    fn two_by_three() -> [Matrix; 2] {
        let by_input = Matrix::by_input(Rows::of_f32(vec![1., 2., 3., 4., 5., 6.], 3));
        let parts = vec![Rows::of_f32(vec![1., 4., 2., 5.], 2), Rows::of_f32(vec![3., 6.], 2)];
        [by_input, Matrix::by_output(parts)]
    }

    #[test]
    fn a_matrix_is_the_same_however_it_is_stored() {
        let [a, b] = two_by_three();
        assert_eq!(a, b);
        for matrix in [&a, &b, &a.rounded(Format::F16), &b.rounded(Format::Bf16)] {
            assert_eq!((matrix.inputs(), matrix.outputs()), (2, 3));
            assert_eq!(*matrix.by_outputs(), [1., 4., 2., 5., 3., 6.]);
            let mut y = [1.0, 0.0, 0.0];
            at_once(matrix.multiply(&[1.0, 10.0], &mut y));
            assert_eq!(y, [42.0, 52.0, 63.0]);
        }
    }

    /// Of a head of four rows, those that are turned together are the first and the third.
    #[test]
    fn paired_rows_lie_half_a_head_apart() {
        let rows = Rows::of_f32((0..8).map(|row| row as f32).collect(), 1).in_order(Order::Paired { head: 4 });
        assert_eq!(*Matrix::by_output(vec![rows]).by_outputs(), [0., 2., 1., 3., 4., 6., 5., 7.]);
    }
}
