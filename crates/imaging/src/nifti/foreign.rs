//! Owns the names of files that are not NIfTI, by their first bytes: it is told what a file is and what to do with it.

/// What files of other kinds begin with, what they are, and what to do.
const KINDS: [(&[u8], &str, &str); 19] = [
    (b"ObjectType", "MetaImage (.mha, .mhd)", CONVERT),
    (b"NDims", "MetaImage (.mha, .mhd)", CONVERT),
    (b"Comment", "MetaImage (.mha, .mhd)", CONVERT),
    (b"NRRD000", "NRRD", CONVERT),
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        "fetch the file itself with `git lfs pull`",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer",
        "fetch the file itself with `git annex get`",
    ),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (
        b"BZh",
        "packed with bzip2",
        "unpack it, or pack it with gzip",
    ),
    (
        b"\xfd7zXZ",
        "packed with xz",
        "unpack it, or pack it with gzip",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "packed with zstd",
        "unpack it, or pack it with gzip",
    ),
    (b"\x89HDF", "HDF5 or MINC", CONVERT),
    (b"CDF\x01", "NetCDF or MINC", CONVERT),
    (
        b"\x93NUMPY",
        "a NumPy array",
        "save it as .nii.gz with its affine",
    ),
    (
        b"\x89PNG",
        "a PNG picture",
        "give the image it was made from",
    ),
    (
        b"\xff\xd8\xff",
        "a JPEG picture",
        "give the image it was made from",
    ),
    (b"%PDF", "a PDF document", "give the image it belongs to"),
    (b"\x1f\x8b", "gzip within gzip", "unpack it once"),
];
const CONVERT: &str = "convert it to .nii.gz";
const UNPACK: &str = "unpack it, and give the image in it";

/// Says what a file is that has no NIfTI header, and what to do; nothing where that is not known.
pub(super) fn kind_of(first: &[u8]) -> Option<String> {
    if first.is_empty() {
        return Some("it is empty: copy it again".to_owned());
    }
    if first.iter().all(|&byte| byte == 0) {
        return Some("it begins with zeros only: the copy was cut short, copy it again".to_owned());
    }
    if first.get(128..132) == Some(b"DICM") {
        return Some(
            "it is a DICOM file: name it .dcm, or give the folder of its series".to_owned(),
        );
    }
    if first.get(257..262) == Some(b"ustar") {
        return Some(format!("it is a tar archive: {UNPACK}"));
    }
    let known = KINDS.iter().find(|(magic, ..)| first.starts_with(magic));
    if let Some((_, kind, advice)) = known {
        return Some(format!("it is {kind}, not NIfTI: {advice}"));
    }
    let start = first.trim_ascii_start();
    let text = String::from_utf8_lossy(&start[..start.len().min(64)]).to_lowercase();
    let page = ["<!doctype html", "<html", "<head"]
        .iter()
        .any(|tag| text.starts_with(tag));
    match () {
        () if page => Some(
            "it is a web page, not an image: the download gave an error or asked for a login, download it again"
                .to_owned(),
        ),
        () if text.starts_with("<?xml") || text.starts_with('{') => Some(
            "it is a text file (XML or JSON), not an image: the download may have given an error, look into it".to_owned(),
        ),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named_with_what_to_do() {
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM....");
        let mut tar = b"name".to_vec();
        tar.resize(257, 0);
        tar.extend(b"ustar  ");
        for (first, words) in [
            (
                &b"ObjectType = Image\nNDims = 3"[..],
                "MetaImage (.mha, .mhd), not NIfTI: convert it",
            ),
            (b"NRRD0004\n", "NRRD"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "git lfs pull",
            ),
            (b"/annex/objects/SHA256E-s1--2.nii.gz\n", "git annex get"),
            (b"\n<!DOCTYPE HTML><html>", "web page"),
            (b"<html lang=", "web page"),
            (
                b"<?xml version='1.0'?><Error><Code>AccessDenied",
                "XML or JSON",
            ),
            (b"{\"message\": \"Not Found\"}", "XML or JSON"),
            (b"PK\x03\x04....", "zip archive"),
            (b"\x1f\x8b\x08", "unpack it once"),
            (b"\xfd7zXZ\0", "xz"),
            (b"\0\0\0\0", "zeros only"),
            (b"", "empty"),
            (&dicom, "DICOM file"),
            (&tar, "tar archive"),
        ] {
            let found = kind_of(first).unwrap();
            assert!(found.contains(words), "{found}");
        }
        assert_eq!(kind_of(b"\x5c\x01\0\0"), None);
    }
}
