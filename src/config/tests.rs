use super::*;

fn load(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let file = Some((Path::new("test.toml"), file));
    Config::gather(file, variables, flags)
        .map(|explained| explained.config)
        .map_err(|error| error.to_string())
}

#[test]
fn nothing_given_is_a_loopback_server() {
    let config = Config::gather(None, Vec::new(), Flags::default()).unwrap().config;
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
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    let config = load(file, &variables, flags).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir, Path::new("f"));
    assert_eq!((config.limits.text_bytes_max, config.limits.page_max), (2000, 10));
    assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn each_value_is_known_by_where_it_came_from() {
    let file =
        "data_dir = 'f'\npublic_url = 'https://a.example/'\n[limits]\npage_max = 10\ntext_bytes_max = 9";
    let variables = vec![
        ("SWITCHBOARD_LIMITS__PAGE_MAX".to_owned(), "20".to_owned()),
        ("SWITCHBOARD_LISTEN".to_owned(), ":9".to_owned()),
    ];
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    let explained = Config::gather(Some((Path::new("f.toml"), file)), variables, flags).unwrap();
    let file = || Given::File("f.toml".into());
    let expected = [
        ("data_dir", file()),
        ("limits.page_max", Given::Variable("SWITCHBOARD_LIMITS__PAGE_MAX".into())),
        ("limits.text_bytes_max", file()),
        ("listen", Given::Flag("--listen")),
        ("public_url", file()),
    ];
    assert_eq!(explained.given, expected.map(|(path, given)| (path.to_owned(), given)).into());
    assert_eq!(explained.config.public_url.as_deref(), Some("https://a.example"), "without the slash");
    let flags = Flags { public_url: Some("https://b.example".into()), ..Flags::default() };
    let config = load("public_url = 'https://a.example'\nlisten = '0.0.0.0:80'", &[], flags).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://b.example"));
}

#[test]
fn every_setting_is_described_and_those_without_a_default_by_an_example() {
    let settings = Config::settings();
    assert_eq!(settings.len(), known().count());
    let defaults = Config::default().values();
    for Setting { path, doc, bounds, .. } in &settings {
        assert!(doc.ends_with('.') && !doc.contains("[`"), "{path}: {doc}");
        assert!(defaults.contains_key(path) || doc.contains('`'), "{path}: an example between backquotes");
        assert_eq!(bounds.is_some(), path.starts_with("limits."), "{path}");
    }
}

#[test]
fn a_wrong_file_is_told_with_what_to_write_instead() {
    for (file, said) in [
        ("lisen = 'x'", "no setting is called lisen: did you mean listen?"),
        (
            "[limit]\ntext_bytes_max = 5",
            "no setting is called limit.text_bytes_max: did you mean limits.text_bytes_max?",
        ),
        ("text_bytes_max = 5", "did you mean limits.text_bytes_max?"),
        ("[store.cql]\nnode = ['a']", "did you mean store.cql.nodes?"),
        ("[log]\nformatt = 'text'", "did you mean log.format?"),
        ("zzz = 1", "no setting is called zzz: `switchboard config show` lists them all"),
        ("listen = 8080", "for example: listen = \"127.0.0.1:8080\""),
        ("[limits]\npage_max = '10'", "for example: page_max = 200"),
        ("trusted_proxies = '10.0.0.0/8'", "for example: trusted_proxies = [\"10.0.0.0/8\"]"),
        ("[store.cql]\nnodes = 'db1'", "for example: nodes = [\"10.0.0.1:9042\"]"),
        (
            "public_url = 5",
            "must be a text in quotes\nfor example: public_url = \"https://chat.example.org\"",
        ),
        ("[store.cql]\nreplication = '3'", "0 to 255, without quotes\nfor example: replication = 3"),
        ("[limits]\ntext_bytes_max = '5'", "must be a whole number, 0 or more, without quotes"),
        ("[log]\nlevel = 3", "for example: level = \"info\""),
        ("[store.cql]\nallow_periodic_commitlog = 'no'", "for example: allow_periodic_commitlog = false"),
    ] {
        let error = load(file, &[], Flags::default()).unwrap_err();
        assert!(error.contains(said) && error.contains("line"), "{file:?}: {error}");
    }
    for (variable, value, said) in [
        ("SWITCHBOARD_LISTNE", "x", "did you mean SWITCHBOARD_LISTEN?"),
        ("SWITCHBOARD_TEXT_BYTES_MAX", "1", "did you mean SWITCHBOARD_LIMITS__TEXT_BYTES_MAX?"),
        ("SWITCHBOARD_ZZZ", "1", "`switchboard config show` lists them all"),
        ("SWITCHBOARD_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "such as [\"10.0.0.0/8\", \"::1\"]"),
        ("SWITCHBOARD_TRUSTED_PROXIES", "['10.0.0.1']", "such as [\"10.0.0.1\"]"),
        ("SWITCHBOARD_STORE__CQL__NODES", "db1;db2", "such as [\"db1\", \"db2\"]"),
        ("SWITCHBOARD_STORE__CQL__NODES", "", "such as [\"10.0.0.1:9042\"]"),
        ("SWITCHBOARD_TRUSTED_PROXIES", "[]]", "such as [\"10.0.0.0/8\"]"),
    ] {
        let error = load("", &[(variable, value)], Flags::default()).unwrap_err();
        assert!(error.contains(said), "{variable}: {error}");
    }
}

#[test]
fn a_data_folder_is_not_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    std::fs::write(&file, "").unwrap();
    let (device, below) = ("/dev/null".into(), "/dev/null/data".into());
    for data in [file.clone(), file.join("data"), device, below] {
        let flags = Flags { data_dir: Some(data), ..Flags::default() };
        let error = load("", &[], flags).unwrap_err();
        assert!(
            error.contains("is a file: it must be a folder, such as ./data (the flag --data)"),
            "{error}"
        );
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_value_and_its_rule() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let cases: &[Case] = &[
        ("lisen = 'x'", &[], "unknown field `lisen`"),
        ("[limits]\nframes = 1", &[], "unknown field `frames`"),
        ("[limits]\npage_max = -1", &[], "must be a whole number, 0 or more"),
        ("[store]\nkind = 'oracle'", &[], "unknown variant `oracle`, expected `sqlite` or `cql`"),
        ("[store]\nkind = 'cql'", &[], "store.cql.nodes = []: must name at least one server"),
        ("[store]\nkind = 'cql'\ncql.nodes = ['a:x']", &[], "store.cql.nodes = a:x: must be a host"),
        (
            "[store]\nkind = 'cql'\ncql.nodes = ['a']\ncql.keyspace = 'A'",
            &[],
            "store.cql.keyspace = A: must be",
        ),
        (
            "[store]\nkind = 'cql'\ncql.nodes = ['a']\ncql.replication = 0",
            &[],
            "replication = 0: must be 1 to 9",
        ),
        (
            "[store]\nkind = 'cql'\ncql.nodes = ['a']\ncql.user = 'u'",
            &[],
            "cql.user = u: needs password_file",
        ),
        ("", &[("SWITCHBOARD_STORE__CQL__ALLOW_PERIODIC_COMMITLOG", "x")], "= \"x\": must be true or false"),
        ("", &[("SWITCHBOARD_STORE__KIND", "cql")], "store.cql.nodes = []"),
        ("listen = ", &[], "line 1"),
        ("trusted_proxies = ['x']", &[], "\"x\" is neither an address nor a network"),
        ("", &[("SWITCHBOARD_LISTNE", "x")], "the environment variable SWITCHBOARD_LISTNE names no setting"),
        ("", &[("SWITCHBOARD_LIMITS", "x")], "names no setting"),
        (
            "",
            &[("SWITCHBOARD_LISTEN", "x")],
            "SWITCHBOARD_LISTEN = \"x\": must be an address and a port such as",
        ),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "x")], "PAGE_MAX = \"x\": must be a whole number"),
        (
            "",
            &[("SWITCHBOARD_LIMITS__PAGE_MAX", "-1")],
            "PAGE_MAX = \"-1\": must be a whole number, 0 or more",
        ),
        ("", &[("SWITCHBOARD_LIMITS__PAGE_MAX", "0")], "limits.page_max = 0: must be 1 to 500"),
        ("", &[("SWITCHBOARD_TRUSTED_PROXIES", "10.0.0.1")], "must be a JSON list of strings"),
        ("", &[("SWITCHBOARD_LIMITS__TEXT_BYTES_MAX", "65537")], "= 65537: must be 1 to 65536"),
        ("", &[("SWITCHBOARD_LOG__FORMAT", "xml")], "LOG__FORMAT = \"xml\": unknown variant"),
        ("listen = '0.0.0.0:80'", &[], "listen = 0.0.0.0:80: is not a loopback address, so public_url"),
        (
            "listen = '0.0.0.0:80'",
            &[],
            "the flag --public-url, the variable SWITCHBOARD_PUBLIC_URL or public_url in",
        ),
        (
            "public_url = 'chat.example.org'",
            &[],
            "public_url = chat.example.org: must be one origin of the web",
        ),
        ("public_url = 'https://a.org/chat'", &[], "must be an origin without a path"),
        ("public_url = 'https://a.org:0'", &[], "must be an origin with a port from 1 to 65535"),
        ("public_url = 'https://a..org'", &[], "must be an origin with a host name"),
        ("public_url = 'https://*.a.org'", &[], "must be one origin of the web, such as https://chat"),
        ("", &[("SWITCHBOARD_PUBLIC_URL", "")], "public_url = : must be one origin of the web"),
        ("[routing]\nagent_grace_s = 0", &[], "routing.agent_grace_s = 0: must be 1 to 86400"),
        ("data_dir = ''", &[], "data_dir = \"\": must be a folder"),
        ("[store.blobs]\nkind = 'ftp'", &[], "unknown variant `ftp`, expected `folder` or `s3`"),
        ("[store.blobs]\nbucket = 'b'", &[], "store.blobs.bucket = b: is for kind = \"s3\" alone"),
        ("[store.blobs]\nkind = 's3'\nbucket = 'b'", &[], "needs store.blobs.access_key_file"),
        ("", &[("SWITCHBOARD_STORE__BLOBS__ALLOW_HTTP", "yes")], "= \"yes\": must be true or false"),
    ];
    for (file, variables, said) in cases {
        let error = load(file, variables, Flags::default()).unwrap_err();
        assert!(error.contains(said), "{file:?} {variables:?}: {error}");
    }
}

#[test]
fn a_bucket_is_checked_as_a_whole() {
    let file = |settings: &str| {
        let keys = "access_key_file = 'a'\nsecret_key_file = 's'";
        load(&format!("[store.blobs]\nkind = 's3'\n{keys}\n{settings}"), &[], Flags::default())
    };
    for right in [
        "bucket = 'b'",
        "bucket = 'b'\nendpoint = 'https://s3.example.org'\nprefix = 'chat/files'",
        "bucket = 'b'\nendpoint = 'http://10.0.0.1:9000'\nallow_http = true",
    ] {
        let blobs = file(right).unwrap().store.blobs;
        assert_eq!((blobs.kind, blobs.bucket.as_deref()), (BlobsKind::S3, Some("b")));
    }
    for (wrong, said) in [
        ("", "store.blobs.kind = s3: needs store.blobs.bucket"),
        ("bucket = 'a b'", "store.blobs.bucket = a b: must be of letters"),
        ("bucket = 'b'\nregion = ''", "store.blobs.region = : must be of letters"),
        ("bucket = 'b'\nendpoint = 'http://10.0.0.1:9000'", "has no TLS, so allow_http must be true"),
        ("bucket = 'b'\nendpoint = '10.0.0.1:9000'", "must be a URL with https:// or http://"),
        ("bucket = 'b'\nprefix = '/files'", "store.blobs.prefix = /files: must be words"),
        ("bucket = 'b'\nprefix = 'a/../b'", "must be words"),
    ] {
        let error = file(wrong).unwrap_err();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn a_server_that_others_reach_says_how() {
    for (url, origin) in [
        ("https://chat.example.org", "https://chat.example.org"),
        (" HTTPS://Chat.example.org:443/ ", "https://chat.example.org"),
        ("http://chat.example.org:80", "http://chat.example.org"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ] {
        let config = load(&format!("listen = '0.0.0.0:80'\npublic_url = '{url}'"), &[], Flags::default());
        assert_eq!(config.unwrap().own_origin("0.0.0.0:80".parse().unwrap()).as_str(), origin, "{url}");
    }
}

#[test]
fn every_setting_can_be_given_by_a_variable() {
    let full = Config {
        public_url: Some("https://chat.example.org".into()),
        metrics_listen: Some("127.0.0.1:9".parse().unwrap()),
        store: StoreConfig {
            kind: StoreKind::Cql,
            cql: CqlConfig {
                nodes: vec!["[::1]:9042".into(), "db.example.org".into()],
                replication: Some(5),
                consistency: Consistency::Quorum,
                datacenter: Some("dc1".into()),
                user: Some("switchboard".into()),
                password_file: Some("/run/secrets/cql".into()),
                tls_ca: Some("/etc/ssl/cql.pem".into()),
                allow_periodic_commitlog: true,
                lanes: 2,
                segment_keep_hours: 24,
                ..CqlConfig::default()
            },
            blobs: BlobsConfig {
                kind: BlobsKind::S3,
                bucket: Some("uploads".into()),
                endpoint: Some("http://127.0.0.1:9000".into()),
                prefix: "chat".into(),
                access_key_file: Some("access".into()),
                secret_key_file: Some("secret".into()),
                allow_http: true,
                ..BlobsConfig::default()
            },
        },
        cluster: ClusterConfig {
            name: Some("node-1".into()),
            listen: "127.0.0.1:4000".parse().unwrap(),
            advertise: Some("node-1.example.org:4000".into()),
            secret_file: Some("/run/secrets/cluster".into()),
            tls_ca: Some("/etc/ssl/cluster.pem".into()),
            tls_certificate: Some("/etc/ssl/node-1.pem".into()),
            tls_key: Some("/run/secrets/node-1.key".into()),
        },
        limits: Limits { storage_reserve_bytes: Some(5), ..Limits::default() },
        ..Config::default()
    };
    let mut variables = Vec::new();
    let mut open: Vec<(String, Table)> = vec![(String::new(), Table::try_from(&full).unwrap())];
    while let Some((section, table)) = open.pop() {
        for (name, value) in table {
            let path = format!("{section}{name}");
            match value {
                Value::Table(inner) => open.push((format!("{path}."), inner)),
                other => variables.push((path, other)),
            }
        }
    }
    let given: Vec<(String, String)> = variables
        .iter()
        .map(|(path, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (variable_name(path), text)
        })
        .collect();
    let settings = SETTINGS.len() + BlobsConfig::SETTINGS.len() + ClusterConfig::SETTINGS.len();
    assert_eq!(given.len(), settings + Limits::keys().count());
    assert_eq!(Config::gather(None, given, Flags::default()).unwrap().config, full);
}

#[test]
fn a_config_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/switchboard.toml")), Flags::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read the config file /nowhere/switchboard.toml: "),
        "{error}"
    );
}

#[test]
fn a_node_of_a_cluster_is_checked_as_a_whole() {
    let base = "[store]\nkind = 'cql'\ncql.nodes = ['a']\n[store.blobs]\nkind = 's3'\nbucket = 'b'\n\
                access_key_file = 'a'\nsecret_key_file = 's'\n[cluster]\n";
    let file = |settings: &str| load(&format!("{base}{settings}"), &[], Flags::default());
    let named = "name = 'node-1'\nsecret_file = 's'\n";
    for right in ["", "listen = '10.0.0.1:90'", "listen = '0.0.0.0:90'\nadvertise = '[::1]:90'"] {
        let config = file(&format!("{named}{right}")).unwrap();
        assert_eq!(config.cluster.name.as_deref(), Some("node-1"), "{right}");
    }
    for (wrong, said) in [
        ("name = 'Node 1'\nsecret_file = 's'", "cluster.name = Node 1: must be 1 to 63 of a-z"),
        ("name = 'node-1'", "cluster.name = node-1: needs cluster.secret_file"),
        ("secret_file = 's'", "cluster.secret_file = s: needs cluster.name"),
        ("listen = ':9'", "cluster.listen = 127.0.0.1:9: needs cluster.name"),
        (
            &format!("{named}listen = '0.0.0.0:9'"),
            "cluster.listen = 0.0.0.0:9: is no address that other nodes",
        ),
        (&format!("{named}advertise = 'host'"), "cluster.advertise = host: must be a host and a port"),
        (&format!("{named}advertise = '::1:9'"), "must be a host and a port"),
        (&format!("{named}advertise = 'host:0'"), "must be a host and a port"),
        (&format!("{named}tls_key = 'k'"), "cluster.tls_key = k: needs cluster.tls_ca"),
        (&format!("{named}tls_ca = 'c'\ntls_key = 'k'"), "cluster.tls_ca = c: needs cluster.tls_certificate"),
    ] {
        let error = file(wrong).unwrap_err();
        assert!(error.contains(said), "{wrong}: {error}");
    }
    let alone = |settings: &str| load(settings, &[], Flags::default()).unwrap_err();
    let error = alone(&format!("[cluster]\n{named}"));
    assert!(error.contains("store.kind = sqlite: is a store for one server"), "{error}");
    let error = alone(&format!("[store]\nkind = 'cql'\ncql.nodes = ['a']\n[cluster]\n{named}"));
    assert!(error.contains("store.blobs.kind = folder: keeps files where one server finds them"), "{error}");
}
