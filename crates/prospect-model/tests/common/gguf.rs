//! GGUF files, sound and otherwise, as tests need them.
#![allow(dead_code, unreachable_pub, reason = "test helpers; each test file uses some of them")]

pub const F32: u32 = 0;
pub const BF16: u32 = 30;

/// A file in the making.
#[derive(Debug, Clone)]
pub struct GgufWriter {
    pub version: u32,
    pub alignment: u64,
    pub keys: u64,
    pub metadata: Vec<u8>,
    pub tensors: Vec<Tensor>,
    pub data: Vec<u8>,
}

/// What the list of tensors says of one.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub name: String,
    /// That of a row comes first.
    pub dimensions: Vec<u64>,
    pub kind: u32,
    pub offset: u64,
}

impl Default for GgufWriter {
    fn default() -> Self {
        let (metadata, tensors, data) = (Vec::new(), Vec::new(), Vec::new());
        Self { version: 3, alignment: 32, keys: 0, metadata, tensors, data }
    }
}

impl GgufWriter {
    /// A key with the bytes of a value of this type.
    pub fn key(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.keys += 1;
        self.metadata.extend(text(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8, &text(value));
    }

    pub fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4, &value.to_le_bytes());
    }

    pub fn real(&mut self, key: &str, value: f32) {
        self.key(key, 6, &value.to_le_bytes());
    }

    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key, 7, &[u8::from(value)]);
    }

    pub fn array(&mut self, key: &str, kind: u32, count: u64, values: &[u8]) {
        self.key(key, 9, &[&kind.to_le_bytes()[..], &count.to_le_bytes(), values].concat());
    }

    pub fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| text(value.as_ref())).collect();
        self.array(key, 8, values.len() as u64, &bytes);
    }

    pub fn numbers(&mut self, key: &str, values: &[i32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(key, 5, values.len() as u64, &bytes);
    }

    pub fn reals(&mut self, key: &str, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(key, 6, values.len() as u64, &bytes);
    }

    /// A tensor by its row-major shape and its bytes.
    pub fn tensor(&mut self, name: &str, shape: &[usize], kind: u32, bytes: &[u8]) {
        let dimensions = shape.iter().rev().map(|size| *size as u64).collect();
        let offset = self.data.len().next_multiple_of(self.alignment as usize);
        self.data.resize(offset, 0);
        self.data.extend(bytes);
        self.tensors.push(Tensor { name: name.to_owned(), dimensions, kind, offset: offset as u64 });
    }

    /// Everything in front of the tensors.
    pub fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(&self.metadata);
        for Tensor { name, dimensions, kind, offset } in &self.tensors {
            bytes.extend(text(name));
            bytes.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(self.alignment as usize), 0);
        bytes.extend(&self.data);
        bytes
    }
}

/// A text behind its length.
pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
