//! Owns the bytes of a data set: where each element starts and ends. It knows no meaning of any.
//!
//! Nothing is copied and nothing is allocated on the word of a length: a value is a part of the bytes that are there,
//! and sequences are only walked into when asked for, to a fixed depth.

use std::collections::BTreeMap;

use super::HeaderNumber;
use super::codes::{IMPLICIT, ITEM, ITEM_END, PIXEL_DATA, SEQUENCE_END, Syntax, Tag};

/// How deep sequences may lie in sequences.
const DEEPEST: usize = 16;
/// The length of what ends with a mark.
const UNDEFINED: u32 = u32::MAX;
/// Value representations that store their length in four bytes.
const LONG: [&[u8; 2]; 13] = [
    b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV",
];

/// The elements of one data set, or of one item of a sequence.
pub(super) struct Elements<'a> {
    elements: BTreeMap<Tag, Content<'a>>,
    syntax: Syntax,
    /// Whether reading stopped before the pixels, so that no other element of a header can follow.
    at_pixels: bool,
}

enum Content<'a> {
    /// A value; of a sequence, its items.
    Bytes(&'a [u8], Syntax),
    /// Encapsulated pixels.
    Fragments(Vec<&'a [u8]>),
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All elements.
    Whole,
    /// Those before the pixels.
    Header,
}

impl<'a> Elements<'a> {
    /// Reads the elements up to the end of the bytes.
    pub(super) fn read(bytes: &'a [u8], syntax: Syntax, extent: Extent) -> Result<Self, String> {
        Cursor { bytes, at: 0 }.data_set(syntax, extent)
    }

    /// Says whether the pixels follow.
    pub(super) fn ends_at_pixels(&self) -> bool {
        self.at_pixels
    }

    fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match self.elements.get(&tag)? {
            Content::Bytes(bytes, _) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// Gives a text without the padding around it; an empty one counts as missing.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let text = text.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Gives the values of a text, which backslashes part.
    pub(super) fn texts(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        text.split('\\')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// Gives so many finite numbers written as text, or nothing where there are others.
    pub(super) fn numbers<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let texts = self.texts(tag).into_iter();
        let numbers: Vec<f64> = texts
            .filter_map(|text| text.parse().ok())
            .filter(|number: &f64| number.is_finite())
            .collect();
        numbers.try_into().ok()
    }

    /// Gives one finite number written as text.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).map(|[number]| number)
    }

    /// Gives a binary 16-bit number.
    pub(super) fn short(&self, tag: Tag) -> Option<u16> {
        let pair = *self.bytes(tag)?.first_chunk()?;
        Some(if self.syntax.big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    }

    /// Gives a binary double.
    pub(super) fn double(&self, tag: Tag) -> Option<f64> {
        let bytes = *self.bytes(tag)?.first_chunk()?;
        let value = if self.syntax.big_endian {
            f64::from_be_bytes(bytes)
        } else {
            f64::from_le_bytes(bytes)
        };
        value.is_finite().then_some(value)
    }

    /// Gives a number written as text, or what stands in its place.
    pub(super) fn header_number(&self, tag: Tag) -> HeaderNumber {
        match (self.number(tag), self.text(tag)) {
            (Some(number), _) => HeaderNumber::Number(number),
            (None, Some(text)) => HeaderNumber::NoNumber(text),
            (None, None) => HeaderNumber::Missing,
        }
    }

    /// Finds an element of a private block by who made the block, wherever the block lies.
    pub(super) fn private(&self, group: u16, creator: &str, element: u8) -> Option<Tag> {
        let block = (0x10..=0xFF)
            .find(|&block| self.text(Tag(group, block)).as_deref() == Some(creator))?;
        Some(Tag(group, block << 8 | u16::from(element)))
    }

    /// Gives the items of a sequence; none where it is missing.
    pub(super) fn items(&self, tag: Tag) -> Result<Vec<Elements<'a>>, String> {
        let Some(Content::Bytes(bytes, syntax)) = self.elements.get(&tag) else {
            return Ok(Vec::new());
        };
        let mut cursor = Cursor { bytes, at: 0 };
        let mut items = Vec::new();
        while cursor.at < bytes.len() {
            let (tag, length) = cursor.mark(*syntax)?;
            if tag != ITEM {
                break;
            }
            items.push(if length == UNDEFINED {
                cursor.data_set(*syntax, Extent::Whole)?
            } else {
                Self::read(cursor.take(tag, length)?, *syntax, Extent::Whole)?
            });
        }
        Ok(items)
    }

    /// Gives the first item of a sequence.
    pub(super) fn first_item(&self, tag: Tag) -> Result<Option<Elements<'a>>, String> {
        Ok(self.items(tag)?.into_iter().next())
    }

    /// Gives the pixels that are stored as they are.
    pub(super) fn native_pixels(&self) -> Option<&'a [u8]> {
        self.bytes(PIXEL_DATA)
    }

    /// Gives the fragments of encapsulated pixels, without the table of offsets before them.
    pub(super) fn fragments(&self) -> Option<&[&'a [u8]]> {
        match self.elements.get(&PIXEL_DATA)? {
            Content::Fragments(fragments) => fragments.get(1..),
            Content::Bytes(..) => None,
        }
    }
}

/// A place in the bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads elements until the bytes or the item end.
    fn data_set(&mut self, syntax: Syntax, extent: Extent) -> Result<Elements<'a>, String> {
        let mut elements = BTreeMap::new();
        let mut at_pixels = false;
        while self.at < self.bytes.len() {
            let (tag, length, inner) = self.header(syntax)?;
            at_pixels = tag.0 == PIXEL_DATA.0 && extent == Extent::Header;
            if tag == ITEM_END || at_pixels {
                break;
            }
            let content = match length {
                UNDEFINED if tag == PIXEL_DATA => Content::Fragments(self.fragments(syntax)?),
                UNDEFINED => Content::Bytes(self.sequence(inner, DEEPEST)?, inner),
                length => Content::Bytes(self.take(tag, length)?, inner),
            };
            elements.entry(tag).or_insert(content);
        }
        Ok(Elements {
            elements,
            syntax,
            at_pixels,
        })
    }

    /// Reads tag and length; also says how what is inside is encoded.
    fn header(&mut self, syntax: Syntax) -> Result<(Tag, u32, Syntax), String> {
        let tag = self.tag(syntax)?;
        if !syntax.explicit || tag.0 == ITEM.0 {
            return Ok((tag, self.long(syntax)?, syntax));
        }
        let kind: [u8; 2] = self.array()?;
        if !kind.iter().all(u8::is_ascii_uppercase) {
            return Err(format!(
                "damaged: element {tag} at byte {} names no value representation",
                self.at
            ));
        }
        if !LONG.contains(&&kind) {
            return Ok((tag, u32::from(self.short(syntax)?), syntax));
        }
        self.array::<2>()?;
        let length = self.long(syntax)?;
        // What a program did not know and passed on is encoded the one way that needs no dictionary.
        let unknown = &kind == b"UN" && length == UNDEFINED;
        Ok((tag, length, if unknown { IMPLICIT } else { syntax }))
    }

    /// Walks over the items of a sequence that ends with a mark; gives them without it.
    fn sequence(&mut self, syntax: Syntax, depth: usize) -> Result<&'a [u8], String> {
        let start = self.at;
        loop {
            let before = self.at;
            match self.mark(syntax)? {
                (SEQUENCE_END, _) => return Ok(&self.bytes[start..before]),
                (ITEM, UNDEFINED) => self.item(syntax, depth)?,
                (ITEM, length) => {
                    self.take(ITEM, length)?;
                }
                (tag, _) => return Err(format!("damaged: {tag} where an item was due")),
            }
        }
    }

    /// Walks over the elements of an item that ends with a mark.
    fn item(&mut self, syntax: Syntax, depth: usize) -> Result<(), String> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| format!("damaged: its sequences lie deeper than {DEEPEST}"))?;
        loop {
            match self.header(syntax)? {
                (ITEM_END, ..) => return Ok(()),
                (_, UNDEFINED, inner) => {
                    self.sequence(inner, depth)?;
                }
                (tag, length, _) => {
                    self.take(tag, length)?;
                }
            }
        }
    }

    fn fragments(&mut self, syntax: Syntax) -> Result<Vec<&'a [u8]>, String> {
        let mut fragments = Vec::new();
        loop {
            match self.mark(syntax)? {
                (SEQUENCE_END, _) => return Ok(fragments),
                (ITEM, length) => fragments.push(self.take(PIXEL_DATA, length)?),
                (tag, _) => return Err(format!("damaged: {tag} between fragments of pixels")),
            }
        }
    }

    /// Reads the start or the end of an item or a sequence, which have no value representation.
    fn mark(&mut self, syntax: Syntax) -> Result<(Tag, u32), String> {
        Ok((self.tag(syntax)?, self.long(syntax)?))
    }

    fn tag(&mut self, syntax: Syntax) -> Result<Tag, String> {
        Ok(Tag(self.short(syntax)?, self.short(syntax)?))
    }

    fn short(&mut self, syntax: Syntax) -> Result<u16, String> {
        let bytes = self.array()?;
        Ok(if syntax.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn long(&mut self, syntax: Syntax) -> Result<u32, String> {
        let bytes = self.array()?;
        Ok(if syntax.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let array = rest
            .first_chunk()
            .ok_or_else(|| format!("truncated: it ends within an element at byte {}", self.at))?;
        self.at += N;
        Ok(*array)
    }

    fn take(&mut self, tag: Tag, length: u32) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let value = rest.get(..length as usize).ok_or_else(|| {
            let left = rest.len();
            format!("truncated: element {tag} promises {length} bytes, {left} are left")
        })?;
        self.at += value.len();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes::{EXPLICIT, MODALITY, ROWS, UNITS};
    use super::*;

    const BIG: Syntax = Syntax {
        big_endian: true,
        ..EXPLICIT
    };

    fn read(bytes: &[u8], syntax: Syntax) -> Result<Elements<'_>, String> {
        Elements::read(bytes, syntax, Extent::Whole)
    }

    #[test]
    fn both_orders_and_both_forms_say_the_same() {
        let explicit = b"\x08\0\x60\0CS\x02\0PT\x28\0\x10\0US\x02\0\x10\x01";
        let big = b"\0\x08\0\x60CS\0\x02PT\0\x28\0\x10US\0\x02\x01\x10";
        let implicit = b"\x08\0\x60\0\x02\0\0\0PT\x28\0\x10\0\x02\0\0\0\x10\x01";
        for (bytes, syntax) in [
            (&explicit[..], EXPLICIT),
            (&big[..], BIG),
            (&implicit[..], IMPLICIT),
        ] {
            let found = read(bytes, syntax).unwrap();
            assert_eq!(found.text(MODALITY).as_deref(), Some("PT"));
            assert_eq!(found.short(ROWS), Some(272));
        }
    }

    /// An item that ends with a mark, in a sequence that ends with a mark, around these elements.
    fn nested(inner: &[u8], tag: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            tag,
            b"\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff",
            inner,
            b"\xfe\xff\x0d\xe0\0\0\0\0",
            b"\xfe\xff\xdd\xe0\0\0\0\0",
        ];
        parts.concat()
    }

    #[test]
    fn sequences_end_where_their_marks_say() {
        let units = b"\x54\0\x01\x10\x04\0\0\0BQML";
        let inner = nested(units, b"\x54\0\0\x03");
        let mut bytes = nested(&inner, b"\x54\0\x16\0");
        bytes.extend(b"\x54\0\x01\x10\x04\0\0\0CNTS");
        let found = read(&bytes, IMPLICIT).unwrap();
        assert_eq!(found.text(UNITS).as_deref(), Some("CNTS"));
        let outer = found.first_item(Tag(0x54, 0x16)).unwrap().unwrap();
        let inner = outer.first_item(Tag(0x54, 0x300)).unwrap().unwrap();
        assert_eq!(inner.text(UNITS).as_deref(), Some("BQML"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let bytes = (0..100_000).fold(Vec::new(), |mut bytes, _| {
            bytes.extend(b"\x54\0\x16\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff");
            bytes
        });
        let refusal = read(&bytes, IMPLICIT).err().unwrap();
        assert!(refusal.contains("deeper than 16"), "{refusal}");
    }

    #[test]
    fn a_length_beyond_the_file_is_refused_with_its_tag() {
        let refusal = read(b"\x08\0\x60\0\xf0\xff\xff\xffPT", IMPLICIT)
            .err()
            .unwrap();
        assert_eq!(
            refusal,
            "truncated: element (0008,0060) promises 4294967280 bytes, 2 are left"
        );
    }

    #[test]
    fn a_private_block_is_found_by_who_made_it() {
        let bytes = b"\x53\x70\x11\0\x04\0\0\0Mine\x53\x70\x09\x11\x02\0\0\0 7";
        let found = read(bytes, IMPLICIT).unwrap();
        let tag = found.private(0x7053, "Mine", 9).unwrap();
        assert_eq!((tag, found.number(tag)), (Tag(0x7053, 0x1109), Some(7.0)));
        assert_eq!(found.private(0x7053, "Other", 9), None);
    }
}
