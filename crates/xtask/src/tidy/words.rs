//! Words that this project does not use, each with the plain one: one word for one thing, and the field's own.

use super::source;
use super::{TextFile, Violation};

/// A word, or several in a row, that is not to be written.
struct Banned {
    words: &'static str,
    plain: &'static str,
    /// Paths under which it is the field's own word.
    except: &'static [&'static str],
}

const fn banned(words: &'static str, plain: &'static str) -> Banned {
    Banned {
        words,
        plain,
        except: &[],
    }
}

/// A camel-case or snake-case name is read as the words that it is made of.
const BANNED: &[Banned] = &[
    Banned {
        words: "slope",
        plain: "`grad` for a gradient, `derivative` for a function's",
        // Images have a rescale slope.
        except: &[
            "crates/imaging/",
            "crates/prepare/",
            "docs/data.md",
            "tests/tests/documented/",
        ],
    },
    banned("way back", "`backward pass`"),
    Banned {
        words: "lane",
        plain: "`communicator`",
        // Vector registers have lanes.
        except: &["crates/model/", "crates/trainer/", "docs/decisions/0006"],
    },
    Banned {
        words: "visitor",
        plain: "`pending` connection",
        // burn walks a module with a `ModuleVisitor`.
        except: &["crates/model/"],
    },
    banned("stranger", "`not ours`, or another program"),
    banned("knock", "`probe`"),
    banned("doom", "`kill_at`"),
    banned("reins", "`control`"),
    banned("fruitless", "`without a step`"),
    banned("fruitful", "`has_stepped`"),
    banned("doubted", "`reported damaged`"),
    Banned {
        words: "deaf",
        plain: "`all silent`",
        // A part of a case's name.
        except: &["crates/prepare/src/source/tests.rs"],
    },
    banned("befell", "`hit`, or `happened to`"),
    banned("farewell", "`timeout`"),
    banned("respite", "`delay`"),
    banned("manieth", "`every n-th`, or a stride"),
    banned("taken the place of", "`replaced`"),
    banned("takes the place of", "`replaces`"),
    banned("take the place of", "`replace`"),
];

/// What a name is not to be, though the word is plain in a sentence.
const BANNED_NAMES: &[(&str, &str)] = &[(
    "told",
    "the noun for what it holds: `lines`, `message`, `report`, `receiver`",
)];

/// This file names what it looks for.
const OWN_PATH: &str = "crates/xtask/src/tidy/words.rs";

/// Files that people write.
const ENDINGS: &[&str] = &[".rs", ".proto", ".md", ".py", ".toml", ".html", ".js"];

/// Finds the words in code, strings, comments and documents, and the names in code.
pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    let is_written = ENDINGS.iter().any(|ending| file.path.ends_with(ending));
    if !is_written || file.path == OWN_PATH {
        return Vec::new();
    }
    let code = match file.is_rust() {
        true => source::split(&file.text),
        false => Vec::new(),
    };
    let names = code.iter().map(|line| names(&line.code));
    let names = names.chain(std::iter::repeat(Vec::new()));
    let lines = file.text.lines().zip(names).enumerate();
    let found = lines.flat_map(|(at, (line, names))| {
        let words = words(line);
        let in_text = BANNED
            .iter()
            .filter(|one| !is_under(&file.path, one.except) && has(&words, one.words))
            .map(|one| (one.words, one.plain));
        let in_names = BANNED_NAMES
            .iter()
            .filter(|(name, _)| names.iter().any(|found| found == name))
            .copied();
        let found: Vec<_> = in_text.chain(in_names).collect();
        found.into_iter().map(move |(old, plain)| {
            let rule = format!("`{old}` is not a word of this project: write {plain}");
            file.violation(at + 1, rule)
        })
    });
    found.collect()
}

fn is_under(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// The words of a line, in lower case, with the parts of names as words of their own.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in line.chars() {
        if !before.is_alphabetic() || before.is_lowercase() && character.is_uppercase() {
            words.push(String::new());
        }
        if character.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Tells whether the words stand in a row, the last one in the singular or the plural.
fn has(words: &[String], wanted: &str) -> bool {
    let wanted: Vec<&str> = wanted.split(' ').collect();
    words.windows(wanted.len()).any(|found| {
        found.iter().zip(&wanted).all(|(found, wanted)| {
            found == wanted || found.strip_suffix('s').is_some_and(|one| one == *wanted)
        })
    })
}

/// The names in code, in lower case, each as it is.
fn names(code: &str) -> Vec<String> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let names = code.split(|character| !is_part(character));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        check(&file(path, text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_planted_word_is_found_with_its_place_and_the_plain_word() {
        assert_eq!(
            rules("crates/a/src/a.rs", "//! Fine.\nlet x = bad_slope;\n"),
            [
                "crates/a/src/a.rs:2: `slope` is not a word of this project: write `grad` for a gradient, `derivative` \
                 for a function's"
            ]
        );
    }

    #[test]
    fn names_strings_comments_and_documents_are_read() {
        for text in [
            "struct BadSlopes;",
            "f(\"its slope\")",
            "// Two slopes.",
            "grad_SLOPE()",
        ] {
            assert_eq!(rules("src/a.rs", text).len(), 1, "{text}");
        }
        assert_eq!(rules("docs/a.md", "It was taken the place of.\n").len(), 1);
        assert_eq!(rules("benches/a.py", "knocks = 2\n").len(), 1);
    }

    #[test]
    fn other_words_and_the_fields_own_are_fine() {
        let text = "fn planes_and_visits(knockout: Slopey) {}\n";
        assert_eq!(rules("src/a.rs", text), [""; 0]);
        assert_eq!(
            rules("crates/imaging/src/a.rs", "let slope = 1.0;\n"),
            [""; 0]
        );
        assert_eq!(rules("data/a.bin", "slope"), [""; 0]);
    }

    #[test]
    fn a_name_is_found_in_code_and_not_in_a_sentence() {
        assert_eq!(
            rules("src/a.rs", "let told = f();\nstruct Told;\n").len(),
            2
        );
        let text = "// Whoever is told.\nf(\"told\");\nlet is_told = true;\n";
        assert_eq!(rules("src/a.rs", text), [""; 0]);
    }
}
