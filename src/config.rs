//! The configuration: a TOML file, over it the environment, over that the command line's flags. The only file that
//! reads the environment. Called once at start; nothing here changes while the server runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use documented::DocumentedFields;
use domain::Origin;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::origins::spelling;

mod address;
mod blobs;
mod cluster;
mod error;
mod form;
mod forwarding;
mod hints;
mod limits;
mod log;
mod networks;
mod routing;
mod secret;
mod store;

pub use address::parse_listen;
pub use blobs::{BlobsConfig, BlobsKind};
pub use cluster::{ClusterConfig, JoinConfig};
pub use error::ConfigError;
use form::Form;
pub use forwarding::ForwardingHeader;
pub use limits::Limits;
pub use log::{LogConfig, LogFormat, LogLevel};
pub use routing::RoutingConfig;
pub use secret::read_secret;
pub use store::{Consistency, CqlConfig, StoreConfig, StoreKind};

/// All settings, as they hold after file, environment and flags.
///
/// The first comment of each field is what `config show --markdown` prints of the setting: it says unit, bounds and what
/// 0 means, and of a setting without a default an example between backquotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens: an address and a port. A port alone (`8080`, `:8080`, `localhost:8080`) is one of this
    /// machine alone; port 0 takes a free one.
    #[serde(deserialize_with = "address::deserialize")]
    pub listen: SocketAddr,
    /// How browsers reach the server: an origin such as `https://chat.example.org`, without a path. Without it: by the
    /// listen address, which must be a loopback one then.
    pub public_url: Option<String>,
    /// The folder where everything is kept that must survive. It is made when it is not there.
    pub data_dir: PathBuf,
    /// An address of their own for the metrics, such as `127.0.0.1:9090`. Without it they are served beside everything
    /// else, at `/metrics`.
    #[serde(deserialize_with = "address::deserialize_some")]
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies that are believed when they name the client they speak for: addresses, or networks such as
    /// `10.0.0.0/8`.
    #[serde(with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they do: `x-forwarded-for`, `forwarded` or `x-real-ip`.
    pub trusted_proxy_header: ForwardingHeader,
    /// What keeps the data.
    pub store: StoreConfig,
    /// This server as one node of many.
    pub cluster: ClusterConfig,
    /// How conversations find agents.
    pub routing: RoutingConfig,
    /// How large, how many, how often.
    pub limits: Limits,
    /// What is logged, to standard error.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            data_dir: PathBuf::from("./data"),
            metrics_listen: None,
            trusted_proxies: Vec::new(),
            trusted_proxy_header: ForwardingHeader::default(),
            store: StoreConfig::default(),
            cluster: ClusterConfig::default(),
            routing: RoutingConfig::default(),
            limits: Limits::default(),
            log: LogConfig::default(),
        }
    }
}

/// What the command line sets, over everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data`.
    pub data_dir: Option<PathBuf>,
    /// `--public-url`.
    pub public_url: Option<String>,
}

/// Where a value came from; what is in none of these is a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The config file.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// This flag.
    Flag(&'static str),
}

/// A configuration, and where its values came from.
#[derive(Clone, Debug)]
pub struct Explained {
    /// As it holds.
    pub config: Config,
    /// By the path of the setting, such as `limits.page_max`.
    pub given: BTreeMap<String, Given>,
}

/// The settings that are not limits and have no list of their own. A test holds them all to [`Config`]'s fields.
const SETTINGS: &[(&str, Form)] = &[
    ("listen", Form::Text),
    ("public_url", Form::Text),
    ("data_dir", Form::Text),
    ("metrics_listen", Form::Text),
    ("trusted_proxies", Form::List),
    ("trusted_proxy_header", Form::Text),
    ("store.kind", Form::Text),
    ("store.cql.nodes", Form::List),
    ("store.cql.keyspace", Form::Text),
    ("store.cql.replication", Form::WholeNumber),
    ("store.cql.consistency", Form::Text),
    ("store.cql.datacenter", Form::Text),
    ("store.cql.user", Form::Text),
    ("store.cql.password_file", Form::Text),
    ("store.cql.tls_ca", Form::Text),
    ("store.cql.allow_periodic_commitlog", Form::Truth),
    ("store.cql.lanes", Form::WholeNumber),
    ("store.cql.segment_keep_hours", Form::WholeNumber),
    ("routing.accept_timeout_s", Form::WholeNumber),
    ("routing.agent_grace_s", Form::WholeNumber),
    ("log.level", Form::Text),
    ("log.format", Form::Text),
];

const PREFIX: &str = "SWITCHBOARD_";

impl Config {
    /// File, environment and flags, in this order, and then the rules.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and its rule; the caller tells the person who started the program.
    pub fn load(file: Option<&Path>, flags: Flags) -> Result<Self, ConfigError> {
        Self::explain(file, flags).map(|explained| explained.config)
    }

    /// The same, and where each value came from.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn explain(file: Option<&Path>, flags: Flags) -> Result<Explained, ConfigError> {
        let text = file.map(read).transpose()?;
        Self::gather(file.zip(text.as_deref()), environment()?, flags)
    }

    /// The same without the environment, for a command that has two files.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_file_alone(file: &Path, flags: Flags) -> Result<Self, ConfigError> {
        Self::gather(Some((file, &read(file)?)), Vec::new(), flags).map(|explained| explained.config)
    }

    fn gather(
        file: Option<(&Path, &str)>,
        variables: Vec<(String, String)>,
        flags: Flags,
    ) -> Result<Explained, ConfigError> {
        let mut table = Table::new();
        let mut given = BTreeMap::new();
        if let Some((path, text)) = file {
            // Read as a whole first: only then do messages have lines.
            toml::from_str::<Self>(text).map_err(|error| ConfigError::File {
                path: path.to_owned(),
                message: hints::in_words_at(&error) + &hint(text),
            })?;
            table = toml::from_str(text).expect("it was read as a config");
            let leaves = leaves(&table).into_iter().map(|(leaf, _)| leaf);
            given.extend(leaves.map(|leaf| (leaf, Given::File(path.to_owned()))));
        }
        for (variable, value) in variables {
            let path = set_variable(&mut table, &variable, &value)?;
            given.insert(path, Given::Variable(variable));
        }
        let mut config: Self = table
            .try_into()
            .expect("the file was read as a config, and each variable was tried when it was set");
        if let Some(listen) = flags.listen {
            config.listen = listen;
            given.insert("listen".to_owned(), Given::Flag("--listen"));
        }
        if let Some(data_dir) = flags.data_dir {
            config.data_dir = data_dir;
            given.insert("data_dir".to_owned(), Given::Flag("--data"));
        }
        if let Some(public_url) = flags.public_url {
            config.public_url = Some(public_url);
            given.insert("public_url".to_owned(), Given::Flag("--public-url"));
        }
        if let Some(url) = &mut config.public_url {
            let own =
                spelling::public(url).map_err(|e| ConfigError::value("public_url", &url, e.to_string()))?;
            *url = own.as_str().to_owned();
        }
        config.check()?;
        Ok(Explained { config, given })
    }

    /// The paths of all settings and what their limits are, in the order in which they are shown: those of a section
    /// together, as the sections' structs have them.
    pub fn settings() -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut section = |name: &str, names: &[&str], docs: &'static [&'static str]| {
            for (key, doc) in names.iter().zip(docs) {
                let path = if name.is_empty() { (*key).to_owned() } else { format!("{name}.{key}") };
                if find_setting(&variable_name(&path)).is_some() {
                    let bounds = path.strip_prefix("limits.").and_then(Limits::bounds);
                    settings.push(Setting { variable: variable_name(&path), path, doc, bounds });
                }
            }
        };
        section("", Self::FIELD_NAMES, Self::FIELD_DOCS);
        section("store", StoreConfig::FIELD_NAMES, StoreConfig::FIELD_DOCS);
        section("store.cql", CqlConfig::FIELD_NAMES, CqlConfig::FIELD_DOCS);
        section("store.blobs", BlobsConfig::FIELD_NAMES, BlobsConfig::FIELD_DOCS);
        section("cluster", ClusterConfig::FIELD_NAMES, ClusterConfig::FIELD_DOCS);
        section("routing", RoutingConfig::FIELD_NAMES, RoutingConfig::FIELD_DOCS);
        section("limits", Limits::FIELD_NAMES, Limits::FIELD_DOCS);
        section("log", LogConfig::FIELD_NAMES, LogConfig::FIELD_DOCS);
        settings
    }

    /// The values that are set, by path; a setting that may be left out and is has none.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let table = Table::try_from(self).expect("settings are strings, numbers and tables with string keys");
        leaves(&table).into_iter().collect()
    }

    fn check(&self) -> Result<(), ConfigError> {
        match &self.public_url {
            Some(_) => {}
            None if self.listen.ip().is_loopback() => {}
            None => {
                let rule = format!(
                    "is not a loopback address, so public_url must say how browsers reach the server, such as \
                     https://chat.example.org: give the flag --public-url, the variable {} or public_url in the file",
                    variable_name("public_url")
                );
                return Err(ConfigError::value("listen", self.listen, rule));
            }
        }
        self.check_data_dir()?;
        for (key, value) in [
            ("routing.accept_timeout_s", self.routing.accept_timeout_s),
            ("routing.agent_grace_s", self.routing.agent_grace_s),
        ] {
            if !(1..=86_400).contains(&value) {
                return Err(ConfigError::value(key, value, "must be 1 to 86400"));
            }
        }
        self.store.check()?;
        self.cluster.check(&self.store)?;
        self.limits.check()
    }

    fn check_data_dir(&self) -> Result<(), ConfigError> {
        let dir = &self.data_dir;
        let wrong = |why: String| {
            let rule = format!("{why}must be a folder, such as ./data (the flag --data)");
            Err(ConfigError::value("data_dir", format!("\"{}\"", dir.display()), rule))
        };
        if dir.as_os_str().is_empty() {
            return wrong(String::new());
        }
        // What is not there is made.
        match dir.ancestors().find(|part| part.exists() && !part.is_dir()) {
            Some(file) if file == dir => wrong("is a file: it ".to_owned()),
            Some(file) => wrong(format!("{} is a file: it ", file.display())),
            None => Ok(()),
        }
    }

    /// The origin that browsers know the server by: `public_url`, or the address that was bound.
    pub fn own_origin(&self, bound: SocketAddr) -> Origin {
        let url = match &self.public_url {
            Some(url) => url.clone(),
            None if bound.port() == 80 => format!("http://{}", bound.to_string().trim_end_matches(":80")),
            None => format!("http://{bound}"),
        };
        Origin::parse(&url).expect("public_url was checked, and an address has the form of an origin")
    }
}

/// One setting, as people read of it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its key with its sections, such as `limits.page_max`.
    pub path: String,
    /// The environment variable that sets it.
    pub variable: String,
    /// What it means: the comment of its field.
    pub doc: &'static str,
    /// The range of a limit, in words.
    pub bounds: Option<String>,
}

/// All values of a table and of those in it, by path.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            other => found.push((key.clone(), other.clone())),
        }
    }
    found
}

/// What to write instead, of a file that is no config: the setting that was probably meant, or an example of the one
/// whose value has a wrong type.
fn hint(text: &str) -> String {
    let Ok(table) = toml::from_str::<Table>(text) else { return String::new() };
    let known: Vec<String> = known().map(|(path, _)| path).collect();
    for (path, value) in leaves(&table) {
        let Some(at) = known.iter().position(|known| *known == path) else {
            let near = hints::nearest(&path, known.iter().map(String::as_str));
            return near.map_or_else(
                || format!("\nno setting is called {path}: `switchboard config show` lists them all"),
                |near| format!("\nno setting is called {path}: did you mean {near}?"),
            );
        };
        if alone(&known[at], value).try_into::<Config>().is_err()
            && let Some(example) = example(&path)
        {
            return format!("\nfor example: {} = {example}", path.rsplit('.').next().unwrap_or(&path));
        }
    }
    String::new()
}

/// What a setting may be: its default, or what its comment gives where that would show nothing.
fn example(path: &str) -> Option<Value> {
    let default = Config::default().values().remove(path);
    if default.as_ref().is_some_and(|default| default.as_array().is_none_or(|list| !list.is_empty())) {
        return default;
    }
    let setting = Config::settings().into_iter().find(|setting| setting.path == path)?;
    let text = setting.doc.split('`').nth(1)?;
    let value =
        toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    Some(if default.is_some() && !value.is_array() { Value::Array(vec![value]) } else { value })
}

/// A table with nothing but this value.
fn alone(path: &str, value: Value) -> Table {
    let mut value = value;
    for key in path.rsplit('.') {
        value = Value::Table(Table::from_iter([(key.to_owned(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable { path: file.to_owned(), cause })
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in std::env::vars_os() {
        // A name that is no Unicode cannot begin like ours and name a setting.
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let value = value.into_string().map_err(|value| ConfigError::Variable {
            variable: name.to_owned(),
            value: value.to_string_lossy().into_owned(),
            rule: "must be UTF-8".to_owned(),
        })?;
        ours.push((name.to_owned(), value));
    }
    ours.sort();
    Ok(ours)
}

/// Puts a variable's value where its name says, and tries whether the whole is still a config.
fn set_variable(table: &mut Table, variable: &str, value: &str) -> Result<String, ConfigError> {
    let wrong =
        |rule: String| ConfigError::Variable { variable: variable.to_owned(), value: value.to_owned(), rule };
    let (path, form) = find_setting(variable).ok_or_else(|| unknown(variable))?;
    let parsed = match form {
        Form::Text => Value::String(value.to_owned()),
        Form::WholeNumber => {
            Value::Integer(value.parse().map_err(|_| wrong("must be a whole number".to_owned()))?)
        }
        Form::Truth => Value::Boolean(value.parse().map_err(|_| wrong("must be true or false".to_owned()))?),
        Form::List => {
            let list: Vec<String> = serde_json::from_str(value).map_err(|_| {
                wrong(format!("must be a JSON list of strings, such as {}", as_list(&path, value)))
            })?;
            Value::from(list)
        }
    };
    let (sections, key) = path.rsplit_once('.').unwrap_or(("", &path));
    let mut section = &mut *table;
    for name in sections.split('.').filter(|name| !name.is_empty()) {
        let inner = section.entry(name).or_insert_with(|| Value::Table(Table::new()));
        section = inner.as_table_mut().expect("the file was read as a config: its sections are tables");
    }
    section.insert(key.to_owned(), parsed);
    let tried: Result<Config, _> = table.clone().try_into();
    tried.map(|_| path).map_err(|error: toml::de::Error| wrong(hints::in_words(error.message())))
}

/// What was probably meant by a list that is not JSON: its words.
fn as_list(path: &str, text: &str) -> String {
    let words = text.split([',', ' ', ';', '[', ']', '"', '\'']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.take(9).collect();
    match example(path) {
        Some(example) if words.is_empty() => example.to_string(),
        Some(_) | None => format!("{words:?}"),
    }
}

fn unknown(variable: &str) -> ConfigError {
    let known: Vec<String> = known().map(|(path, _)| path).collect();
    let path = variable.strip_prefix(PREFIX).unwrap_or(variable).to_lowercase().replace("__", ".");
    let meant = hints::nearest(&path, known.iter().map(String::as_str));
    let hint = meant.map_or_else(
        || ": `switchboard config show` lists them all".to_owned(),
        |meant| format!(": did you mean {}?", variable_name(meant)),
    );
    ConfigError::UnknownVariable { variable: variable.to_owned(), hint }
}

/// `SWITCHBOARD_LIMITS__PAGE_MAX` is `limits.page_max`.
fn find_setting(variable: &str) -> Option<(String, Form)> {
    known().find(|(path, _)| variable == variable_name(path))
}

/// Every setting by path.
fn known() -> impl Iterator<Item = (String, Form)> {
    let limits = Limits::keys().map(|key| (format!("limits.{key}"), Form::WholeNumber));
    let settings = SETTINGS
        .iter()
        .chain(BlobsConfig::SETTINGS)
        .chain(ClusterConfig::SETTINGS)
        .map(|&(path, form)| (path.to_owned(), form));
    settings.chain(limits)
}

fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

#[cfg(test)]
mod tests;
