//! Owns the making of DICOM files for tests.

/// Writes elements in explicit VR, little-endian.
#[derive(Clone, Default)]
pub(crate) struct Made(pub(crate) Vec<u8>);

impl Made {
    pub(crate) fn put(mut self, group: u16, element: u16, kind: &str, value: &[u8]) -> Self {
        let padded = value.len().next_multiple_of(2);
        self.0.extend(group.to_le_bytes());
        self.0.extend(element.to_le_bytes());
        self.0.extend(kind.as_bytes());
        if matches!(kind, "OW" | "OB" | "SQ") {
            self.0.extend([0, 0]);
            self.0.extend((padded as u32).to_le_bytes());
        } else {
            self.0.extend((padded as u16).to_le_bytes());
        }
        self.0.extend(value);
        self.0.resize(self.0.len() + padded - value.len(), b' ');
        self
    }

    pub(crate) fn text(self, group: u16, element: u16, value: &str) -> Self {
        self.put(group, element, "LO", value.as_bytes())
    }

    pub(crate) fn short(self, group: u16, element: u16, value: u16) -> Self {
        self.put(group, element, "US", &value.to_le_bytes())
    }

    pub(crate) fn items(self, group: u16, element: u16, items: &[Made]) -> Self {
        let mut bytes = Vec::new();
        for Made(item) in items {
            bytes.extend(b"\xfe\xff\0\xe0");
            bytes.extend((item.len() as u32).to_le_bytes());
            bytes.extend(item);
        }
        self.put(group, element, "SQ", &bytes)
    }

    /// Gives a whole file, which says to be in this transfer syntax.
    pub(crate) fn file(self, syntax: &str) -> Vec<u8> {
        let meta = Made::default().text(2, 0x10, syntax);
        [&[0; 128][..], b"DICM", &meta.0, &self.0].concat()
    }
}
