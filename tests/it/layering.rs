//! The lines of the house, as ARCHITECTURE.md draws them: which crate may name what. They are read from the manifests
//! and the sources, so that crossing one is a failed test and not a matter of taste.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

mod circles;
mod prose;

/// Each crate may name those that stand before it.
const LINE: [&str; 7] = ["domain", "store", "actors", "cluster", "files", "identity", "."];

/// What tests and measures the program.
const TOOLS: [&str; 5] = ["tests/baseline", "tests/checker", "tests/driver", "tests/it", "tests/load"];

/// They stand side by side: neither names the other.
const SIDE_BY_SIDE: [&str; 2] = ["files", "identity"];

/// All that the vocabulary is made with.
const DOMAIN_DEPENDENCIES: [&str; 4] = ["serde", "sha2", "thiserror", "uuid"];

/// What has no place where the rules are pure: waiting, the outside, clocks, chance, and words of the outside.
const IMPURE: [&str; 12] = [
    "async fn",
    ".await",
    "std::fs",
    "std::net",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "now_v7",
    "new_v4",
    "serde_json",
];

/// Longer than the 500 lines at which a file wants a reason, with the reason.
const LONG: [(&str, &str); 1] =
    [("domain/src/conversation.rs", "each command's rule beside what it does to the state, in one place")];
const LINES_MAX: usize = 500;

#[test]
fn a_crate_names_only_those_to_its_left() {
    for (place, crate_) in LINE.iter().enumerate() {
        let manifest = Manifest::of(crate_);
        // Itself it names only for its tests, which want its feature `testing`.
        let named = manifest.dependencies.iter().chain(&manifest.dev_dependencies);
        let right: Vec<&String> = named.filter(|name| LINE[place + 1..].contains(&name.as_str())).collect();
        assert!(right.is_empty(), "{crate_} names {right:?}");
    }
    for crate_ in SIDE_BY_SIDE {
        let manifest = Manifest::of(crate_);
        let mut named = manifest.dependencies.iter().chain(&manifest.dev_dependencies);
        let beside = named.find(|name| SIDE_BY_SIDE.contains(&name.as_str()));
        assert_eq!(beside, None, "{crate_} names what stands beside it");
    }
}

#[test]
fn the_product_has_no_test_code() {
    let wants_it = |dependency: &toml::Value| {
        let features = dependency.get("features").and_then(toml::Value::as_array);
        features.is_some_and(|features| features.iter().any(|feature| feature.as_str() == Some("testing")))
    };
    for crate_ in LINE {
        let text = fs::read_to_string(root().join(crate_).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let workspace = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        let tables = [manifest.get("dependencies"), manifest.get("build-dependencies"), workspace];
        for (name, dependency) in tables.into_iter().flatten().flat_map(|table| table.as_table().unwrap()) {
            assert!(!wants_it(dependency), "{crate_} ships the test code of {name}");
        }
        let by_default = manifest.get("features").and_then(|features| features.get("default"));
        assert!(by_default.is_none(), "{crate_} has features that nobody asked for");
    }
    let store = fs::read_to_string(root().join("store/src/lib.rs")).unwrap();
    for module in ["conformance", "faulty", "golden", "memory"] {
        let gated = format!("#[cfg(any(test, feature = \"testing\"))]\npub mod {module};");
        assert!(store.contains(&gated), "{module} is in the product");
    }
    let actors = fs::read_to_string(root().join("actors/src/lib.rs")).unwrap();
    let gated = "#[cfg(any(test, feature = \"testing\"))]\npub mod testing;";
    assert!(actors.contains(gated), "testing is in the product");
    let cluster = fs::read_to_string(root().join("cluster/src/lib.rs")).unwrap();
    for module in ["simulation", "testing", "tests"] {
        assert!(cluster.contains(&format!("#[cfg(test)]\nmod {module};")), "{module} is in the product");
    }
}

#[test]
fn the_domain_is_pure() {
    let strange: Vec<String> = Manifest::of("domain")
        .dependencies
        .into_iter()
        .filter(|name| !DOMAIN_DEPENDENCIES.contains(&name.as_str()))
        .collect();
    assert!(strange.is_empty(), "domain depends on {strange:?}");
    assert_eq!(naming(&["domain/src"], &IMPURE), Vec::<String>::new());
}

#[test]
fn only_the_store_names_its_databases() {
    for crate_ in LINE.iter().filter(|crate_| **crate_ != "store") {
        let manifest = Manifest::of(crate_);
        for database in ["rusqlite", "scylla", "object_store"] {
            assert!(
                !manifest.dependencies.iter().any(|name| name == database),
                "{crate_} depends on {database}"
            );
        }
    }
    assert_eq!(
        naming(
            &["domain/src", "actors/src", "cluster/src", "files/src", "identity/src", "src"],
            &["rusqlite", "scylla", "object_store"]
        ),
        Vec::<String>::new()
    );
}

#[test]
fn json_is_spoken_at_the_edge_and_in_the_envelope() {
    for crate_ in ["domain", "actors", "cluster", "files"] {
        let manifest = Manifest::of(crate_);
        assert!(
            !manifest.dependencies.iter().any(|name| name == "serde_json"),
            "{crate_} depends on serde_json"
        );
    }
    let silent = ["domain/src", "actors/src", "cluster/src", "files/src"];
    assert_eq!(naming(&silent, &["serde_json"]), Vec::<String>::new());
    assert_eq!(naming(&["store/src"], &["serde_json"]), ["store/src/envelope.rs: serde_json"]);
    // A signed identity is a JSON Web Token.
    assert_eq!(naming(&["identity/src"], &["serde_json"]), ["identity/src/visitor_jwt.rs: serde_json"]);
}

#[test]
fn the_environment_is_read_in_the_config_alone() {
    let crates = ["domain/src", "store/src", "actors/src", "cluster/src", "files/src", "identity/src", "src"];
    let reads = naming(&crates, &["env::var", "env::vars", "env::var_os", "env::vars_os"]);
    let elsewhere: Vec<String> = reads
        .into_iter()
        .filter(|read| !read.starts_with("src/config.rs: ") && !read.starts_with("src/config/"))
        .collect();
    assert_eq!(elsewhere, Vec::<String>::new());
}

/// The log leaves out most of what other people's crates say.
#[test]
fn the_log_takes_the_lines_of_every_crate() {
    let telemetry = fs::read_to_string(root().join("src/telemetry/throttle.rs")).unwrap();
    let (_, ours) = telemetry.split_once("const OURS: ").unwrap();
    let (ours, _) = ours.split_once(';').and_then(|(_, list)| list.split_once(';')).unwrap();
    for crate_ in LINE {
        let name = if crate_ == "." { "switchboard" } else { crate_ };
        assert!(ours.contains(&format!("\"{name}\"")), "{name} is not in {ours}");
    }
}

#[test]
fn every_crate_obeys_the_lints() {
    for crate_ in LINE.into_iter().chain(TOOLS) {
        assert!(Manifest::of(crate_).obeys_lints, "{crate_} does not say `[lints] workspace = true`");
    }
}

#[test]
fn the_tests_know_the_server_from_outside_only() {
    for tool in TOOLS.into_iter().filter(|tool| *tool != "tests/baseline") {
        let manifest = Manifest::of(tool);
        let inner = |name: &&String| LINE.contains(&name.as_str()) || *name == "switchboard";
        let named: Vec<&String> = manifest.dependencies.iter().filter(inner).collect();
        assert!(named.is_empty(), "{tool} names {named:?}");
    }
}

#[test]
fn a_file_over_500_lines_has_a_reason() {
    let reasons = BTreeMap::from(LONG);
    let mut long = Vec::new();
    for path in sources(&["domain", "store", "actors", "cluster", "files", "identity", "src", "tests"]) {
        let lines = fs::read_to_string(root().join(&path)).unwrap().lines().count();
        if lines > LINES_MAX && !reasons.contains_key(path.as_str()) {
            long.push(format!("{path}: {lines}"));
        }
        assert!(
            lines > LINES_MAX || !reasons.contains_key(path.as_str()),
            "{path} is long no more: strike it"
        );
        assert!(!path.ends_with("/mod.rs"), "{path}: `foo.rs` beside `foo/`");
    }
    assert_eq!(long, Vec::<String>::new());
}

/// What a crate's manifest says, as far as it matters here.
struct Manifest {
    dependencies: Vec<String>,
    dev_dependencies: Vec<String>,
    obeys_lints: bool,
}

impl Manifest {
    fn of(crate_: &str) -> Self {
        let text = fs::read_to_string(root().join(crate_).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let names = |section: &str| match manifest.get(section) {
            Some(dependencies) => dependencies.as_table().unwrap().keys().cloned().collect(),
            None => Vec::new(),
        };
        let mut dependencies: Vec<String> = names("dependencies");
        dependencies.extend(names("build-dependencies"));
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        let obeys_lints = lints.and_then(toml::Value::as_bool) == Some(true);
        Self { dependencies, dev_dependencies: names("dev-dependencies"), obeys_lints }
    }
}

fn root() -> &'static Path {
    Path::new(driver::ROOT)
}

/// The Rust files below these folders, by their path from the root, sorted.
fn sources(folders: &[&str]) -> Vec<String> {
    files(folders).into_iter().filter(|path| path.ends_with(".rs")).collect()
}

/// The files below these folders, by their path from the root, sorted.
fn files(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folders:?}");
    found.sort();
    found
}

/// Which files below `folders` name which of `words`, in what is built for production: without comments and tests.
fn naming(folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut named = Vec::new();
    for path in sources(folders) {
        if path.ends_with("/tests.rs") || path.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let code = production(&text);
        let found = words.iter().filter(|word| code.iter().any(|line| line.contains(**word)));
        named.extend(found.map(|word| format!("{path}: {word}")));
    }
    named
}

/// The lines of a source that are neither comments nor in the tests, which stand at its end.
fn production(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).collect()
}

#[test]
fn comments_and_tests_are_not_production() {
    let text =
        "//! serde_json\nuse serde;\n    // serde_json\n#[cfg(test)]\nmod tests {\n    use serde_json;\n}\n";
    assert_eq!(production(text), ["use serde;"]);
}
