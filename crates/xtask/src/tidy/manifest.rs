//! Reads what the rules need of a `Cargo.toml`: the package's name and its dependency lines; it is no TOML parser.

/// Which table a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Normal,
    Build,
    Dev,
}

/// One dependency: `line` counts from 1; `name` is the package's, also where the crate renames it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) line: usize,
    pub(super) table: Table,
    pub(super) name: String,
    pub(super) from_workspace: bool,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The package's name; a workspace's root has none.
    pub(super) package: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
    /// Whether `[lints]` takes the workspace's.
    pub(super) has_workspace_lints: bool,
}

/// Reads a manifest written as cargo writes it: a key a line, inline tables on one line.
pub(super) fn parse(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut section = "";
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            // `[dependencies.name]` is a dependency of its own; its keys follow on other lines.
            manifest
                .dependencies
                .extend(dependency_of_header(section, at + 1));
        } else if line.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            manifest.read_key(section, line, at + 1);
        }
    }
    manifest
}

impl Manifest {
    fn read_key(&mut self, section: &str, line: &str, number: usize) {
        match section {
            "package" => {
                if let Some(value) = line.strip_prefix("name = ") {
                    self.package = Some(value.trim_matches('"').to_owned());
                }
            }
            "lints" => self.has_workspace_lints |= line == "workspace = true",
            _ => self
                .dependencies
                .extend(table(section).map(|table| dependency(table, line, number))),
        }
    }
}

fn table(section: &str) -> Option<Table> {
    let name = section.rsplit('.').next().unwrap_or(section);
    let is_outer = section == name || section.starts_with("target.");
    match name {
        "dependencies" if is_outer => Some(Table::Normal),
        "build-dependencies" if is_outer => Some(Table::Build),
        "dev-dependencies" if is_outer => Some(Table::Dev),
        _ => None,
    }
}

fn dependency_of_header(section: &str, line: usize) -> Option<Dependency> {
    let (table_name, name) = section.rsplit_once('.')?;
    let table = table(table_name)?;
    Some(Dependency {
        line,
        table,
        name: name.to_owned(),
        from_workspace: false,
    })
}

fn dependency(table: Table, line: &str, number: usize) -> Dependency {
    let key = line.split([' ', '=', '.']).next().unwrap_or(line);
    let renamed = line
        .split_once("package = \"")
        .and_then(|(_, rest)| rest.split('"').next());
    Dependency {
        line: number,
        table,
        name: renamed.unwrap_or(key).to_owned(),
        from_workspace: line.contains("workspace = true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[package]
name = \"fratmae-store\"
version.workspace = true

[lints]
workspace = true

[dependencies]
# A comment.
bytes.workspace = true
other = { package = \"fratmae-control\", workspace = true }
old = \"1\"

[target.'cfg(unix)'.dependencies]
nix = { workspace = true, features = [
    \"fs\",
] }

[build-dependencies]
protox.workspace = true

[dev-dependencies.tempfile]
workspace = true

[features]
cuda = [\"burn/cuda\"]
";

    #[test]
    fn package_and_lints_are_read() {
        let manifest = parse(TEXT);
        assert_eq!(manifest.package.as_deref(), Some("fratmae-store"));
        assert!(manifest.has_workspace_lints);
        assert_eq!(parse("[workspace]\nmembers = []\n"), Manifest::default());
    }

    #[test]
    fn dependencies_are_read_from_every_table() {
        let read: Vec<_> = parse(TEXT)
            .dependencies
            .into_iter()
            .map(|d| (d.line, d.table, d.name))
            .collect();
        let expected = [
            (10, Table::Normal, "bytes"),
            (11, Table::Normal, "fratmae-control"),
            (12, Table::Normal, "old"),
            (15, Table::Normal, "nix"),
            (20, Table::Build, "protox"),
            (22, Table::Dev, "tempfile"),
        ];
        assert_eq!(
            read,
            expected.map(|(line, table, name)| (line, table, name.to_owned()))
        );
    }

    #[test]
    fn a_version_of_its_own_is_seen() {
        let own: Vec<String> = parse(TEXT)
            .dependencies
            .into_iter()
            .filter(|d| !d.from_workspace)
            .map(|d| d.name)
            .collect();
        assert_eq!(own, ["old", "tempfile"]);
    }

    #[test]
    fn the_tables_of_the_workspace_are_not_a_package_s() {
        assert!(
            parse("[workspace.dependencies]\nbytes = \"1\"\n")
                .dependencies
                .is_empty()
        );
    }
}
