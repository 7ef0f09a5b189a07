//! Commands as they are typed.

use serde_json::Value;
use tempfile::TempDir;

use super::desk::Desk;
use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once("switchboard").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command)
}

/// Runs a command on a data folder.
async fn printed(dir: &TempDir, line: &str) -> Result<String, CliError> {
    match parse(&format!("{line} --data {}", dir.path().display())).unwrap() {
        Command::Tool(tool) => tool.run().await,
        other => panic!("{other:?} is no tool"),
    }
}

/// The same of a command that prints JSON.
async fn run(dir: &TempDir, line: &str) -> Result<Value, CliError> {
    printed(dir, line).await.map(|printed| serde_json::from_str(&printed).unwrap())
}

/// The store of a data folder, as a server beside the commands has it.
async fn desk(dir: &TempDir) -> Desk {
    let source = Source { data: Some(dir.path().into()), config: None };
    Desk::open(source.load().unwrap()).await.unwrap()
}

async fn usage(dir: &TempDir, line: &str) -> String {
    let error = run(dir, line).await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn the_command_line_is_as_published() {
    <Cli as clap::CommandFactory>::command().debug_assert();
    let right = [
        "demo",
        "demo --listen 127.0.0.1:0 --data d --ready-json",
        "demo --ephemeral",
        "serve --config f --listen [::1]:80 --data d --ready-json",
        "cluster status --config f --json",
        "drain node-1 --data d",
        "admin create --email a@b --name A",
        "admin reset-password --email a@b --password-file f",
        "workspace create --name A",
        "workspace list --json",
        "agent create --email a@b --name A --role supervisor --team Support --capacity 3 --skill x --language en",
        "agent create --email a@b --name A --password-stdin --json",
        "agent list --team Support",
        "agent disable --email a@b",
        "agent enable --email a@b",
        "team create --name A --agent a@b --agent c@d --assignment auto --queue-max 0 --accept-timeout-s 5",
        "team list",
        "team add --team A --agent a@b",
        "team remove --team A --agent a@b",
        "site list",
        "serve --listen :8080 --public-url https://chat.example.org",
        "demo --listen 8080 --public-url http://localhost:8080",
        "config show --json",
        "site create --name A --origin https://a.org --origin https://b.org",
        "config check --config f",
        "config show",
        "copy --from a --to b",
        "doctor --config f",
        "repair --config f",
        "openapi",
        "version",
    ];
    for line in right {
        assert!(parse(line).is_ok(), "{line}");
    }
    for line in [
        "",
        "serf",
        "demo --data d --ephemeral",
        "serve --listen x",
        "admin create",
        "config",
        "config show --json --markdown",
        "agent create --email a@b --name A --password-stdin --password-prompt",
        "agent create --email a@b --name A --password x",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    for line in [
        "agent create --email a@b --name A --capacity x",
        "agent create --email a@b --name A --capacity -1",
        "team create --name A --queue-max 1.5",
        "team create --name A --idle-end-min 4294967296",
        "team create --name A --accept-timeout-s -30",
        "demo --visitors -1",
        "demo --visitors 65536",
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains("must be a whole number, 0 to "), "{line}: {error}");
    }
}

#[tokio::test]
async fn an_operator_makes_a_workspace_an_admin_and_a_site() {
    let dir = TempDir::new().unwrap();
    assert!(usage(&dir, "admin create --email a@x.org --name Ann").await.contains("workspace create"));
    let workspace = run(&dir, "workspace create --name Shop --time-zone Europe/Berlin").await.unwrap();
    let admin = run(&dir, "admin create --email a@x.org --name Ann").await.unwrap();
    assert_eq!(admin["workspace_id"], workspace["workspace_id"]);
    assert_eq!(admin["operator"], true);
    let site = run(&dir, "site create --name Shop --origin https://a.org").await.unwrap();
    let second = run(&dir, "site create --name Blog --origin https://b.org").await.unwrap();
    assert_eq!(site["team_id"], second["team_id"]);
    assert_ne!(site["site_key"], second["site_key"]);

    let desk = desk(&dir).await;
    let login = desk.identity.login("a@x.org", admin["password"].as_str().unwrap()).await.unwrap();
    let teams = desk.identity.teams_of(login.workspace, login.agent.id).await.unwrap();
    assert_eq!(teams.len(), 1, "the team that was made has who was there");
    assert!(desk.identity.site(site["site_key"].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_installation_is_staffed_by_commands_alone() {
    let dir = TempDir::new().unwrap();
    run(&dir, "workspace create --name Shop").await.unwrap();
    let ann = run(&dir, "agent create --email ann@x.org --name Ann --capacity 3 --skill vip").await.unwrap();
    assert_eq!(
        (&ann["role"], &ann["capacity"], &ann["skills"][0]),
        (&"agent".into(), &3.into(), &"vip".into())
    );
    assert_eq!(ann["team_ids"], serde_json::json!([]));
    let team =
        "team create --name Support --agent ann@x.org --assignment auto --queue-max 9 --idle-end-min 5";
    let team = run(&dir, team).await.unwrap();
    assert_eq!(team["agent_ids"], serde_json::json!([ann["agent_id"]]));
    assert_eq!(
        (&team["assignment"], &team["queue_max"], &team["idle_end_min"]),
        (&"auto".into(), &9.into(), &5.into())
    );
    let bob = run(&dir, "agent create --email bob@x.org --name Bob --role supervisor --team Support")
        .await
        .unwrap();
    assert_eq!(bob["team_ids"], serde_json::json!([team["team_id"]]), "a team by its name");
    let site = run(&dir, "site create --name Shop --origin https://a.org/ --team Support").await.unwrap();
    assert_eq!((&site["team_id"], &site["origins"][0]), (&team["team_id"], &"https://a.org".into()));

    let left = run(&dir, "team remove --team Support --agent ann@x.org").await.unwrap();
    assert_eq!(left["agent_ids"], serde_json::json!([bob["agent_id"]]));
    let id = ann["agent_id"].as_str().unwrap();
    let back = run(&dir, &format!("team add --team Support --agent {id} --agent {id}")).await.unwrap();
    assert_eq!(back["agent_ids"], serde_json::json!([bob["agent_id"], ann["agent_id"]]), "once");

    let disabled = run(&dir, "agent disable --email ann@x.org").await.unwrap();
    assert_eq!((&disabled["disabled"], &disabled["agent_id"]), (&true.into(), &ann["agent_id"]));
    let desk = desk(&dir).await;
    let password = ann["password"].as_str().unwrap();
    assert!(desk.identity.login("ann@x.org", password).await.is_err());
    run(&dir, &format!("agent enable --email {id}")).await.unwrap();
    assert!(desk.identity.login("ann@x.org", password).await.is_ok());

    for (line, rows, field, value) in [
        ("agent list --json", 2, "email", "ann@x.org"),
        ("agent list --team Support --json", 2, "email", "ann@x.org"),
        ("team list --json", 1, "name", "Support"),
        ("site list --json", 1, "site_key", site["site_key"].as_str().unwrap()),
        ("workspace list --json", 1, "name", "Shop"),
    ] {
        let listed = run(&dir, line).await.unwrap();
        assert_eq!(listed.as_array().unwrap().len(), rows, "{line}: {listed}");
        assert_eq!(listed[0][field], value, "{line}: {listed}");
    }
    for (line, words) in [
        ("agent list", ["E-MAIL", "bob@x.org", "supervisor", "Support"]),
        ("team list", ["ASSIGNMENT", "bob@x.org, ann@x.org", "auto", "5 min"]),
        ("site list", ["KEY", "https://a.org", "Support", "Shop"]),
        ("workspace list", ["TIME ZONE", "Shop", "UTC", "ws_"]),
    ] {
        let table = printed(&dir, line).await.unwrap();
        assert!(words.iter().all(|word| table.contains(word)), "{line}:\n{table}");
    }
}

#[tokio::test]
async fn staffing_is_refused_by_the_rules_of_the_api_in_the_words_of_flags() {
    let dir = TempDir::new().unwrap();
    run(&dir, "workspace create --name Shop").await.unwrap();
    run(&dir, "admin create --email ada@x.org --name Ada").await.unwrap();
    run(&dir, "team create --name Support").await.unwrap();
    let create = "agent create --email ann@x.org --name Ann";
    for (line, said) in [
        (format!("{create} --role boss"), "--role "),
        (format!("{create} --capacity 1001"), "--capacity must be 0 to 1000"),
        (format!("{create} --language x_y_z!"), "--language must be a language tag"),
        (format!("{create} --team Sales"), "the workspace has no team Sales: see `switchboard team list`"),
        ("agent create --email ann --name Ann".to_owned(), "--email must be"),
        ("team create --name X --agent nobody@x.org".to_owned(), "nobody has the e-mail or id nobody@x.org"),
        ("team create --name X --assignment magic".to_owned(), "--assignment "),
        ("team create --name X --idle-end-min 0".to_owned(), "--idle-end-min must be 1 to 10080"),
        ("team add --team Sales --agent ada@x.org".to_owned(), "no team Sales"),
        ("agent disable --email nobody@x.org".to_owned(), "nobody has"),
        ("agent list --workspace Blog".to_owned(), "there is no workspace Blog"),
        ("agent list --team Sales --json".to_owned(), "there is no team Sales: see `switchboard team list`"),
    ] {
        let error = usage(&dir, &line).await;
        assert!(error.contains(said), "{line}: {error}");
    }
    for (line, said) in [
        ("agent create --email ADA@x.org --name Ada", "somebody in this installation has it already"),
        ("team create --name Support", "another team has this name already"),
        ("agent disable --email ada@x.org", "the workspace would be left without an admin"),
    ] {
        let error = run(&dir, line).await.unwrap_err();
        assert_eq!(error.exit_code(), 1, "{line}: {error}");
        assert!(error.to_string().contains(said), "{line}: {error}");
    }
    let (gone, from, to) =
        (dir.path().join("gone"), dir.path().join("from.toml"), dir.path().join("to.toml"));
    for (file, folder) in [(&from, &gone), (&to, &dir.path().join("to"))] {
        std::fs::write(file, format!("data_dir = '{}'", folder.display())).unwrap();
    }
    let copy = format!("copy --from {} --to {}", from.display(), to.display());
    let Command::Tool(tool) = parse(&copy).unwrap() else { panic!() };
    let error = tool.run().await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(error.to_string().contains("there is no store in its data folder"), "{error}");
}

#[tokio::test]
async fn a_mistyped_folder_is_told_and_not_made() {
    let dir = TempDir::new().unwrap();
    let gone = dir.path().join("gone");
    for line in [
        "agent list",
        "team list",
        "site list",
        "workspace list",
        "agent disable --email a@b.org",
        "agent create --email a@b.org --name A",
        "admin create --email a@b.org --name A",
        "admin reset-password --email a@b.org",
        "team create --name A",
        "team add --team A --agent a@b.org",
        "site create --name A --origin https://a.org",
    ] {
        for (folder, said) in [(&*gone, "there is no data folder"), (dir.path(), "there is no store in")] {
            let line = format!("{line} --data {}", folder.display());
            let Command::Tool(tool) = parse(&line).unwrap() else { panic!() };
            let error = tool.run().await.unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(said), "{line}: {error}");
            assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "{line} made something");
        }
    }
}

#[tokio::test]
async fn what_is_ambiguous_or_wrong_is_said_and_exits_with_2() {
    let dir = TempDir::new().unwrap();
    let zone = usage(&dir, "workspace create --name A --time-zone Mars/Base").await;
    assert!(zone.contains("is no time zone"), "{zone}");
    let first = run(&dir, "workspace create --name A").await.unwrap();
    run(&dir, "workspace create --name B").await.unwrap();
    let id = first["workspace_id"].as_str().unwrap();
    assert!(usage(&dir, "admin create --email a@x.org --name A").await.contains(id));
    assert!(
        usage(&dir, "admin create --email a@x.org --name A --workspace ws_x")
            .await
            .contains("no workspace ws_x")
    );
    assert!(usage(&dir, "admin create --email a --name A").await.starts_with("--email must be"));
    assert!(usage(&dir, "admin reset-password --email a@x.org").await.contains("nobody has the e-mail"));
    let origin = usage(&dir, &format!("site create --name A --workspace {id} --origin a.org")).await;
    assert!(origin.starts_with("--origin must be an origin"), "{origin}");

    run(&dir, &format!("admin create --email a@x.org --name A --workspace {id}")).await.unwrap();
    let taken =
        run(&dir, &format!("admin create --email A@x.org --name A --workspace {id}")).await.unwrap_err();
    assert_eq!(taken.exit_code(), 1);
}

#[tokio::test]
async fn a_password_comes_from_a_file_and_a_reset_ends_log_ins() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "correct horse\r\n").unwrap();
    run(&dir, "workspace create --name A").await.unwrap();
    let from_file = format!("--password-file {}", file.display());
    let admin = run(&dir, &format!("admin create --email a@x.org --name A {from_file}")).await.unwrap();
    assert!(admin.get("password").is_none());

    let server = desk(&dir).await;
    let login = server.identity.login("a@x.org", "correct horse").await.unwrap();
    let reset = run(&dir, "admin reset-password --email a@x.org").await.unwrap();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(4)).await;
    tokio::time::resume();
    assert!(server.identity.bearer(&login.access_token).await.is_err());
    assert!(server.identity.login("a@x.org", reset["password"].as_str().unwrap()).await.is_ok());

    for several in ["correct horse\nurl: x.org\n", "\ncorrect horse", "correct\rhorse", "correct horse\n\n"] {
        std::fs::write(&file, several).unwrap();
        let line = usage(&dir, &format!("admin reset-password --email a@x.org {from_file}")).await;
        assert!(line.starts_with("the password has more than one line"), "{several:?}: {line}");
    }
    std::fs::write(&file, "short\n").unwrap();
    let weak = usage(&dir, &format!("admin reset-password --email a@x.org {from_file}")).await;
    assert_eq!(weak, "the password must be 8 to 1024 bytes");
    assert!(
        usage(&dir, "admin reset-password --email a@x.org --password-file /nowhere")
            .await
            .contains("/nowhere")
    );
}

#[test]
fn a_ready_line_is_one_line_and_holds_what_a_demo_made() {
    let plain = Ready { url: "http://127.0.0.1:1", pid: 7, demo: None };
    assert_eq!(plain.to_line(), r#"{"url":"http://127.0.0.1:1","pid":7}"#);
}
