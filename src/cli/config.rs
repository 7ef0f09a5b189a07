//! `config check` and `config show`: the settings as they hold and where each came from, as TOML, as JSON, as the page
//! docs/settings.md and as the sample deploy/switchboard.toml.

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde::Serialize;
use toml::Value;

use super::error::CliError;
use super::source::Source;
use super::table::json;
use crate::config::{Config, Explained, Given, Setting};

/// What stands for a secret.
const MASKED: &str = "********";
/// The width of a comment in the sample.
const COLUMNS: usize = 100;

/// `config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is right
    #[command(after_help = "Example:\n  switchboard config check --config /etc/switchboard/switchboard.toml")]
    Check(Source),
    /// Print all settings as they hold, each with its default and where it came from
    #[command(
        after_help = "Examples:\n  switchboard config show --config /etc/switchboard/switchboard.toml\n  \
                            switchboard config show --json\n  \
                            switchboard config show --sample > switchboard.toml"
    )]
    Show(Show),
}

/// `config show`.
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// Print JSON, for scripts
    #[arg(long, group = "form")]
    json: bool,
    /// Print docs/settings.md: what each setting means
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print a file to begin with: every setting with its meaning, commented out, as it is by default
    #[arg(long, group = "form")]
    sample: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    variable: &'a str,
    value: Option<Value>,
    default: Option<&'a Value>,
    /// `default`, `file`, `environment` or `flag`.
    from: &'static str,
    /// The file, variable or flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

pub(super) fn run(command: ConfigCommand) -> Result<String, CliError> {
    match command {
        ConfigCommand::Check(source) => {
            source.load()?;
            Ok("the configuration is right".to_owned())
        }
        ConfigCommand::Show(Show { markdown: true, .. }) => Ok(markdown()),
        ConfigCommand::Show(Show { sample: true, .. }) => Ok(sample()),
        ConfigCommand::Show(show) => {
            let explained = Config::explain(show.source.config.as_deref(), show.source.flags())?;
            Ok(if show.json { as_json(&explained) } else { annotated(&explained) })
        }
    }
}

/// A config file that says the same, with where each value came from behind it.
fn annotated(explained: &Explained) -> String {
    let (values, defaults) = (explained.config.values(), Config::default().values());
    let mut text = String::new();
    in_sections(&mut text, |text, key, setting| {
        let (value, default) = (values.get(&setting.path), defaults.get(&setting.path));
        let default = default.map_or_else(|| "not set".to_owned(), Value::to_string);
        let from = match explained.given.get(&setting.path) {
            None => "default".to_owned(),
            Some(Given::File(path)) => format!("file {}; default: {default}", path.display()),
            Some(Given::Variable(variable)) => format!("environment {variable}; default: {default}"),
            Some(Given::Flag(flag)) => format!("flag {flag}; default: {default}"),
        };
        let line = match value {
            Some(value) => format!("{key} = {}", masked(&setting.path, value)),
            None => format!("# {key} is not set"),
        };
        writeln!(text, "{line:<44}  # {from}").expect("a string takes what is written to it");
    });
    text.trim_end().to_owned()
}

fn as_json(explained: &Explained) -> String {
    let (settings, values) = (Config::settings(), explained.config.values());
    let defaults = Config::default().values();
    let shown: Vec<Shown<'_>> = settings
        .iter()
        .map(|setting| {
            let (from, name) = match explained.given.get(&setting.path) {
                None => ("default", None),
                Some(Given::File(path)) => ("file", Some(path.display().to_string())),
                Some(Given::Variable(variable)) => ("environment", Some(variable.clone())),
                Some(Given::Flag(flag)) => ("flag", Some((*flag).to_owned())),
            };
            let value = values.get(&setting.path).map(|value| masked(&setting.path, value));
            let default = defaults.get(&setting.path);
            Shown { key: &setting.path, variable: &setting.variable, value, default, from, name }
        })
        .collect();
    json(&shown)
}

/// A secret stands in a file that a setting names, so only two places can hold one: a setting that says so by its name, and
/// the log-in in a URL.
fn masked(path: &str, value: &Value) -> Value {
    let secret = ["password", "secret", "token", "key"].iter().any(|word| path.ends_with(word));
    match value {
        Value::String(_) if secret => Value::String(MASKED.to_owned()),
        Value::String(text) => Value::String(without_log_in(text)),
        other => other.clone(),
    }
}

fn without_log_in(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{MASKED}{}", &rest[at..]),
        None => url.to_owned(),
    }
}

/// Writes the settings in an order that TOML allows, each section under its head.
fn in_sections(text: &mut String, mut write_one: impl FnMut(&mut String, &str, &Setting)) {
    for (section, settings) in sections() {
        if !section.is_empty() {
            writeln!(text, "\n[{section}]").expect("a string takes what is written to it");
        }
        for setting in &settings {
            let key = setting.path.rsplit('.').next().unwrap_or(&setting.path);
            write_one(text, key, setting);
        }
    }
}

/// The settings by section, in the order in which the sections are first named.
fn sections() -> Vec<(String, Vec<Setting>)> {
    let mut sections: Vec<(String, Vec<Setting>)> = Vec::new();
    for setting in Config::settings() {
        let section = setting.path.rsplit_once('.').map_or("", |(section, _)| section).to_owned();
        match sections.iter_mut().find(|(name, _)| *name == section) {
            Some((_, settings)) => settings.push(setting),
            None => sections.push((section, vec![setting])),
        }
    }
    sections
}

const PAGE_HEAD: &str = "# Settings

This page is made from the code: `switchboard config show --markdown > docs/settings.md`. A test fails while it is stale.

A setting is given in the file that `--config` names ([deploy/switchboard.toml](../deploy/switchboard.toml) is one to begin
with), over it by an environment variable, over that by a flag (`--listen`, `--data`, `--public-url`). The variable of a
setting is `SWITCHBOARD_` and its path with `__` between the parts: `limits.page_max` is `SWITCHBOARD_LIMITS__PAGE_MAX`. A list
is JSON there: `SWITCHBOARD_TRUSTED_PROXIES='[\"10.0.0.0/8\"]'`. `switchboard config show` prints what holds and where each value
came from, `switchboard config check` whether it is right. The unit stands at the end of a name: `_s` seconds, `_bytes` bytes,
`_per_s` in a second. Settings are read at start: to change one, restart the server.
";

fn markdown() -> String {
    let defaults = Config::default().values();
    let mut text = PAGE_HEAD.to_owned();
    for (section, settings) in sections() {
        let head =
            if section.is_empty() { "Above all sections".to_owned() } else { format!("`[{section}]`") };
        write!(text, "\n## {head}\n\n| setting | default | what it means |\n|---|---|---|\n")
            .expect("a string takes what is written to it");
        for setting in &settings {
            let key = setting.path.rsplit('.').next().unwrap_or(&setting.path);
            let default = defaults.get(&setting.path).map_or_else(String::new, |value| format!("`{value}`"));
            let meaning = meaning(setting).replace('|', "\\|");
            writeln!(text, "| `{key}` | {default} | {meaning} |")
                .expect("a string takes what is written to it");
        }
    }
    text.trim_end().to_owned()
}

/// The comment of the setting in one line, and its range.
fn meaning(setting: &Setting) -> String {
    let doc = setting.doc.split_whitespace().collect::<Vec<_>>().join(" ");
    match &setting.bounds {
        Some(bounds) => format!("{doc} Range: {bounds}."),
        None => doc,
    }
}

const SAMPLE_HEAD: &str =
    "# Switchboard's settings, each as it is by default: take the # away from what you change.
# Made by `switchboard config show --sample`; checked by `switchboard config check --config FILE`.
";

fn sample() -> String {
    let defaults = Config::default().values();
    let mut text = SAMPLE_HEAD.to_owned();
    in_sections(&mut text, |text, key, setting| {
        text.push('\n');
        for line in wrapped(&meaning(setting).replace('`', "")) {
            writeln!(text, "# {line}").expect("a string takes what is written to it");
        }
        let value = defaults.get(&setting.path).map_or_else(|| example(setting), Value::to_string);
        writeln!(text, "#{key} = {value}").expect("a string takes what is written to it");
    });
    text.trim_end().to_owned()
}

/// The first thing between backquotes in its comment, as a value of TOML.
fn example(setting: &Setting) -> String {
    let text = setting.doc.split('`').nth(1).unwrap_or_default();
    if text.starts_with('[') || text.parse::<u64>().is_ok() { text.to_owned() } else { format!("{text:?}") }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What a file of the repository should say, and says. One that is stale is written anew, for the next run.
#[cfg(test)]
fn assert_fresh(path: &str, fresh: &str, flag: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let stands = std::fs::read_to_string(&file).unwrap_or_default();
    if stands.trim_end() != fresh {
        std::fs::write(&file, format!("{fresh}\n")).expect("the repository can be written");
        let command = format!("switchboard config show {flag} > {path}");
        panic!("{path} was stale and has been written anew: commit it (what `{command}` writes)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str) -> Explained {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.toml");
        std::fs::write(&file, text).unwrap();
        Config::explain(Some(&file), crate::config::Flags::default()).unwrap()
    }

    #[test]
    fn the_page_and_the_sample_are_what_the_code_says() {
        let page = std::panic::catch_unwind(|| assert_fresh("docs/settings.md", &markdown(), "--markdown"));
        assert_fresh("deploy/switchboard.toml", &sample(), "--sample");
        assert!(page.is_ok(), "docs/settings.md was stale and has been written anew: commit it");
    }

    #[test]
    fn the_sample_says_the_defaults() {
        let default = Config::default();
        assert_eq!(explained(&sample()).config, default);
        // With the # taken away from every setting that has a default, which is all that may stay so.
        let defaults = default.values();
        let mut section = String::new();
        let mut set = Vec::new();
        for line in sample().lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
                set.push(line.to_owned());
            }
            let Some((key, value)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) else {
                continue;
            };
            let alone = format!("{}\n{key} = {value}", section_head(&section));
            assert!(toml::from_str::<Config>(&alone).is_ok(), "{section}{key} = {value}");
            if let Some(default) = defaults.get(&format!("{section}{key}")) {
                assert_eq!(value, default.to_string(), "{section}{key}");
                set.push(format!("{key} = {value}"));
            }
        }
        assert_eq!(set.iter().filter(|line| !line.starts_with('[')).count(), defaults.len());
        assert_eq!(explained(&set.join("\n")).config, default);
    }

    fn section_head(section: &str) -> String {
        section.strip_suffix('.').map(|name| format!("[{name}]")).unwrap_or_default()
    }

    #[test]
    fn what_is_shown_is_a_config_file_that_says_the_same() {
        let text =
            "public_url = 'https://chat.example.org'\ntrusted_proxies = ['10.0.0.0/8']\nlog.format = 'text'";
        let first = explained(text);
        let shown = annotated(&first);
        assert_eq!(explained(&shown).config, first.config);
        let line = |key: &str| shown.lines().find(|line| line.contains(key)).unwrap().to_owned();
        assert!(line("public_url").contains("# file ") && line("public_url").ends_with("default: not set"));
        assert!(line("page_max").ends_with("  # default"), "{}", line("page_max"));
        assert!(line("metrics_listen").starts_with("# metrics_listen is not set"));
        let json: serde_json::Value = serde_json::from_str(&as_json(&first)).unwrap();
        let row = json.as_array().unwrap().iter().find(|row| row["key"] == "log.format").unwrap();
        assert_eq!(
            (&row["from"], &row["value"], &row["default"]),
            (&"file".into(), &"text".into(), &"json".into())
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        for (path, value, shown) in [
            ("store.blobs.endpoint", "https://s3.example.org", "https://s3.example.org"),
            ("store.blobs.endpoint", "https://me:word@s3.example.org/x", "https://********@s3.example.org/x"),
            (
                "store.blobs.endpoint",
                "http://word@s3.example.org:9000",
                "http://********@s3.example.org:9000",
            ),
            ("cluster.secret", "word", "********"),
            ("some.password", "word", "********"),
            ("store.cql.password_file", "/run/secrets/cql", "/run/secrets/cql"),
        ] {
            let masked = masked(path, &Value::String(value.to_owned()));
            assert_eq!(masked.as_str(), Some(shown), "{path}");
        }
    }
}
