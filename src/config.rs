//! The configuration: a TOML file, over it the environment, over that the command line's flags. The only file that
//! reads the environment. Called once at start; nothing here changes while the server runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::Origin;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

mod blobs;
mod forwarding;
mod limits;
mod networks;
mod secret;
mod store;

pub use blobs::{BlobsConfig, BlobsKind};
pub use forwarding::ForwardingHeader;
pub use limits::Limits;
pub use secret::read_secret;
pub use store::{Consistency, CqlConfig, StoreConfig, StoreKind};

/// All settings, as they hold after file, environment and flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How browsers reach it, as an origin (`https://chat.example.org`, no path). None: by the listen address, which
    /// must be a loopback one then. See [`Config::own_origin`].
    pub public_url: Option<String>,
    /// Where everything is kept that must survive.
    pub data_dir: PathBuf,
    /// Where `/metrics` is served; none: beside everything else.
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies that are believed when they name the client they speak for: addresses, or networks such as
    /// `10.0.0.0/8`.
    #[serde(with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they do: `x-forwarded-for`, `forwarded` or `x-real-ip`.
    pub trusted_proxy_header: ForwardingHeader,
    /// What keeps the data.
    pub store: StoreConfig,
    /// How conversations find agents.
    pub routing: RoutingConfig,
    /// How large, how many, how often.
    pub limits: Limits,
    /// What is logged, to standard error.
    pub log: LogConfig,
}

/// `[routing]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// Seconds until an offer goes to the next agent, in teams that set none of their own.
    pub accept_timeout_s: u32,
    /// Seconds for which an agent counts as present after his last socket or request.
    pub agent_grace_s: u32,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { accept_timeout_s: 30, agent_grace_s: 20 }
    }
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is left out.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// Lines below this level are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing is logged.
    Off,
    /// A person must act.
    Error,
    /// Unexpected, and it went on.
    Warn,
    /// A state changed.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
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
}

/// A setting is wrong. The message names the key or variable, its value and the rule.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the config file {path}: {cause}")]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is not TOML, or has a key or a type that no setting has; the message shows the line.
    #[error("the config file {path} is wrong: {message}")]
    File {
        /// As it was given.
        path: PathBuf,
        /// Line, column and what was expected.
        message: String,
    },
    /// A `SWITCHBOARD_` variable that no setting has.
    #[error("the environment variable {0} names no setting")]
    UnknownVariable(String),
    /// A variable's value does not fit its setting.
    #[error("the environment variable {variable} = {value:?}: {rule}")]
    Variable {
        /// Its name.
        variable: String,
        /// As it was given.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// A value that a rule refuses, wherever it came from.
    #[error("{key} = {value}: {rule}")]
    Value {
        /// Its path in the file.
        key: String,
        /// As it would have held.
        value: String,
        /// What it must be.
        rule: String,
    },
}

impl ConfigError {
    fn value(key: impl Into<String>, value: impl ToString, rule: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: value.to_string(), rule: rule.into() }
    }
}

/// How a variable's text becomes a value.
#[derive(Clone, Copy)]
enum Form {
    Text,
    WholeNumber,
    /// `true` or `false`.
    Truth,
    /// As JSON.
    List,
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
    ("routing.accept_timeout_s", Form::WholeNumber),
    ("routing.agent_grace_s", Form::WholeNumber),
    ("log.level", Form::Text),
    ("log.format", Form::Text),
];

const PREFIX: &str = "SWITCHBOARD_";

impl Config {
    /// File, environment and flags, in this order, and then the rules.
    pub fn load(file: Option<&Path>, flags: Flags) -> Result<Self, ConfigError> {
        let text = file.map(read).transpose()?;
        Self::from_sources(file.zip(text.as_deref()), environment()?, flags)
    }

    /// The same without the environment, for a command that has two files.
    pub fn from_file_alone(file: &Path, flags: Flags) -> Result<Self, ConfigError> {
        Self::from_sources(Some((file, &read(file)?)), Vec::new(), flags)
    }

    fn from_sources(
        file: Option<(&Path, &str)>,
        variables: Vec<(String, String)>,
        flags: Flags,
    ) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        if let Some((path, text)) = file {
            let wrong = |error: toml::de::Error| ConfigError::File {
                path: path.to_owned(),
                message: error.to_string().trim_end().to_owned(),
            };
            // Read as a whole first: only then do messages have lines.
            toml::from_str::<Self>(text).map_err(wrong)?;
            table = toml::from_str(text).map_err(wrong)?;
        }
        for (variable, value) in variables {
            set_variable(&mut table, &variable, &value)?;
        }
        let mut config: Self = table
            .try_into()
            .expect("the file was read as a config, and each variable was tried when it was set");
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        if let Some(data_dir) = flags.data_dir {
            config.data_dir = data_dir;
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        match &self.public_url {
            Some(url) => {
                let origin =
                    Origin::parse(url).map_err(|e| ConfigError::value("public_url", url, e.to_string()))?;
                if has_default_port(origin.as_str()) {
                    return Err(ConfigError::value(
                        "public_url",
                        url,
                        "must leave out the scheme's own port",
                    ));
                }
            }
            None if self.listen.ip().is_loopback() => {}
            None => {
                let rule = "is not a loopback address, so public_url must say how browsers reach the server";
                return Err(ConfigError::value("listen", self.listen, rule));
            }
        }
        if self.data_dir.as_os_str().is_empty() {
            return Err(ConfigError::value("data_dir", "\"\"", "must be a folder"));
        }
        for (key, value) in [
            ("routing.accept_timeout_s", self.routing.accept_timeout_s),
            ("routing.agent_grace_s", self.routing.agent_grace_s),
        ] {
            if !(1..=86_400).contains(&value) {
                return Err(ConfigError::value(key, value, "must be 1 to 86400"));
            }
        }
        self.store.check()?;
        self.limits.check()
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

    /// The settings as a config file. It holds no secret: where one is needed, a setting names its file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are strings, numbers and tables with string keys")
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable { path: file.to_owned(), cause })
}

/// Browsers leave the scheme's own port out of an origin, so one with it would match nothing.
fn has_default_port(origin: &str) -> bool {
    (origin.starts_with("http://") && origin.ends_with(":80"))
        || (origin.starts_with("https://") && origin.ends_with(":443"))
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
fn set_variable(table: &mut Table, variable: &str, value: &str) -> Result<(), ConfigError> {
    let wrong =
        |rule: String| ConfigError::Variable { variable: variable.to_owned(), value: value.to_owned(), rule };
    let (path, form) =
        find_setting(variable).ok_or_else(|| ConfigError::UnknownVariable(variable.to_owned()))?;
    let parsed = match form {
        Form::Text => Value::String(value.to_owned()),
        Form::WholeNumber => {
            Value::Integer(value.parse().map_err(|_| wrong("must be a whole number".to_owned()))?)
        }
        Form::Truth => Value::Boolean(value.parse().map_err(|_| wrong("must be true or false".to_owned()))?),
        Form::List => {
            let list: Vec<String> = serde_json::from_str(value)
                .map_err(|_| wrong("must be a JSON list of strings, such as [\"10.0.0.0/8\"]".to_owned()))?;
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
    tried.map(drop).map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
}

/// `SWITCHBOARD_LIMITS__PAGE_MAX` is `limits.page_max`.
fn find_setting(variable: &str) -> Option<(String, Form)> {
    let limits = Limits::keys().map(|key| (format!("limits.{key}"), Form::WholeNumber));
    let settings = SETTINGS.iter().chain(BlobsConfig::SETTINGS).map(|&(path, form)| (path.to_owned(), form));
    settings.chain(limits).find(|(path, _)| variable == variable_name(path))
}

fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

#[cfg(test)]
mod tests;
