//! Small GGUF files, written for the tests.

/// A file's parts, in the order in which they are written.
#[derive(Clone, Default)]
pub struct Written {
    pub keys: Vec<(String, Vec<u8>)>,
    /// Name, sizes in GGUF's order (the innermost first), type and bytes.
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn value(kind: u32, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), bytes].concat()
}

pub fn list(kind: u32, items: &[Vec<u8>]) -> Vec<u8> {
    let head = [&kind.to_le_bytes()[..], &(items.len() as u64).to_le_bytes()].concat();
    value(9, &[head, items.concat()].concat())
}

impl Written {
    pub fn key(mut self, key: &str, value: Vec<u8>) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.to_string(), value));
        self
    }

    pub fn whole(self, key: &str, number: u32) -> Self {
        self.key(key, value(4, &number.to_le_bytes()))
    }

    pub fn number(self, key: &str, number: f32) -> Self {
        self.key(key, value(6, &number.to_le_bytes()))
    }

    pub fn flag(self, key: &str, flag: bool) -> Self {
        self.key(key, value(7, &[flag.into()]))
    }

    pub fn text(self, key: &str, content: &str) -> Self {
        self.key(key, value(8, &text(content)))
    }

    pub fn texts(self, key: &str, texts: &[&str]) -> Self {
        self.key(key, list(8, &texts.iter().map(|content| text(content)).collect::<Vec<_>>()))
    }

    pub fn wholes(self, key: &str, numbers: &[i32]) -> Self {
        self.key(key, list(5, &numbers.iter().map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>()))
    }

    pub fn numbers(self, key: &str, numbers: &[f32]) -> Self {
        self.key(key, list(6, &numbers.iter().map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>()))
    }

    /// A tensor of f32 that counts up from a number.
    pub fn tensor(mut self, name: &str, sizes: &[u64], from: f32) -> Self {
        let values = (0..sizes.iter().product()).flat_map(|i: u64| (from + i as f32).to_le_bytes()).collect();
        self.tensors.push((name.to_string(), sizes.to_vec(), 0, values));
        self
    }

    /// The file, with the offsets of its tensors.
    pub fn bytes(&self) -> Vec<u8> {
        let mut offset = 0;
        let offsets = self.tensors.iter().map(|tensor| {
            let start = offset;
            offset = (start + tensor.3.len() as u64).next_multiple_of(32);
            start
        });
        self.bytes_at(&offsets.collect::<Vec<_>>())
    }

    /// The file, with these offsets claimed; the tensors' bytes lie one after the other.
    pub fn bytes_at(&self, offsets: &[u64]) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            file.extend(text(key));
            file.extend(value);
        }
        for ((name, sizes, kind, _), offset) in self.tensors.iter().zip(offsets) {
            file.extend(text(name));
            file.extend((sizes.len() as u32).to_le_bytes());
            sizes.iter().for_each(|size| file.extend(size.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend(offset.to_le_bytes());
        }
        for (.., bytes) in &self.tensors {
            file.resize(file.len().next_multiple_of(32), 0);
            file.extend(bytes);
        }
        file
    }
}
