use super::*;

fn load(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let file = Some((Path::new("test.toml"), file));
    Config::from_sources(file, variables, flags).map_err(|error| error.to_string())
}

#[test]
fn nothing_given_is_a_loopback_server() {
    let config = Config::from_sources(None, Vec::new(), Flags::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.own_origin("127.0.0.1:4711".parse().unwrap()).as_str(), "http://127.0.0.1:4711");
    assert_eq!(config.own_origin("127.0.0.1:80".parse().unwrap()).as_str(), "http://127.0.0.1");
    assert_eq!(config.own_origin("[::1]:8080".parse().unwrap()).as_str(), "http://[::1]:8080");
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    let file = "listen = '127.0.0.1:1'\ndata_dir = 'f'\n[limits]\ntext_bytes_max = 1000\npage_max = 10";
    let variables = [
        ("SWITCHBOARD_LISTEN", "127.0.0.1:2"),
        ("SWITCHBOARD_LIMITS__TEXT_BYTES_MAX", "2000"),
        ("SWITCHBOARD_TRUSTED_PROXIES", r#"["10.0.0.0/8", "::1"]"#),
        ("SWITCHBOARD_LOG__LEVEL", "debug"),
    ];
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), data_dir: None };
    let config = load(file, &variables, flags).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir, Path::new("f"));
    assert_eq!((config.limits.text_bytes_max, config.limits.page_max), (2000, 10));
    assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn what_is_shown_is_a_config_file_that_says_the_same() {
    let shown = Config { public_url: Some("https://chat.example.org".into()), ..Config::default() };
    assert_eq!(load(&shown.to_toml(), &[], Flags::default()).unwrap(), shown);
}

#[test]
fn a_wrong_setting_is_named_with_its_value_and_its_rule() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: &[Case] = &[
        ("lisen = 'x'", &[], "unknown field `lisen`"),
        ("[limits]\nframes = 1", &[], "unknown field `frames`"),
        ("[limits]\npage_max = -1", &[], "invalid value: integer `-1`"),
        ("[store]\nkind = 'oracle'", &[], "unknown variant `oracle`, expected `sqlite`"),
        ("listen = ", &[], "line 1"),
        ("trusted_proxies = ['x']", &[], "\"x\" is neither an address nor a network"),
        ("", &[("SWITCHBOARD_LISTNE", "x")], "the environment variable SWITCHBOARD_LISTNE names no setting"),
        ("", &[("SWITCHBOARD_LIMITS", "x")], "names no setting"),
        ("", &[("SWITCHBOARD_LISTEN", "x")], "SWITCHBOARD_LISTEN = \"x\": invalid socket address"),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "x")], "PAGE_MAX = \"x\": must be a whole number"),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "-1")], "PAGE_MAX = \"-1\": invalid value"),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "0")], "limits.page_max = 0: must be 1 to 500"),
        ("", &[("SWITCHBOARD_TRUSTED_PROXIES", "10.0.0.1")], "must be a JSON list of strings"),
        ("", &[("SWITCHBOARD_LIMITS__TEXT_BYTES_MAX", "65537")], "= 65537: must be 1 to 65536"),
        ("", &[("SWITCHBOARD_LOG__FORMAT", "xml")], "LOG__FORMAT = \"xml\": unknown variant"),
        ("listen = '0.0.0.0:80'", &[], "listen = 0.0.0.0:80: is not a loopback address, so public_url"),
        ("public_url = 'chat.example.org'", &[], "public_url = chat.example.org: must be an origin"),
        ("public_url = 'https://a.org/chat'", &[], "must be an origin"),
        ("public_url = 'https://a.org:443'", &[], "must leave out the scheme's own port"),
        ("[routing]\nagent_grace_s = 0", &[], "routing.agent_grace_s = 0: must be 1 to 86400"),
        ("data_dir = ''", &[], "data_dir = \"\": must be a folder"),
    ];
    for (file, variables, said) in cases {
        let error = load(file, variables, Flags::default()).unwrap_err();
        assert!(error.contains(said), "{file:?} {variables:?}: {error}");
    }
}

#[test]
fn a_server_that_others_reach_says_how() {
    let config =
        load("listen = '0.0.0.0:80'\npublic_url = 'https://chat.example.org'", &[], Flags::default());
    let origin = config.unwrap().own_origin("0.0.0.0:80".parse().unwrap());
    assert_eq!(origin.as_str(), "https://chat.example.org");
}

#[test]
fn every_setting_can_be_given_by_a_variable() {
    let full = Config {
        public_url: Some("https://chat.example.org".into()),
        metrics_listen: Some("127.0.0.1:9".parse().unwrap()),
        ..Config::default()
    };
    let mut variables = Vec::new();
    for (name, value) in Table::try_from(&full).unwrap() {
        match value {
            Value::Table(section) => {
                variables.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            other => variables.push((name, other)),
        }
    }
    let given: Vec<(String, String)> = variables
        .iter()
        .map(|(path, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (variable_name(path), text)
        })
        .collect();
    assert_eq!(given.len(), SETTINGS.len() + Limits::keys().count());
    assert_eq!(Config::from_sources(None, given, Flags::default()).unwrap(), full);
}

#[test]
fn a_config_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/switchboard.toml")), Flags::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read the config file /nowhere/switchboard.toml: "),
        "{error}"
    );
}
