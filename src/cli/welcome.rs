//! What a demo says on a terminal: where to look, what to do, and how to log in.

use std::path::Path;

use super::table::table;
use crate::demo::Demo;

/// The block for people. `kept` is the folder of a demo that is not ephemeral; log-ins are only shown to a terminal, for what
/// is written elsewhere may be kept and read by others.
pub fn welcome(url: &str, demo: &Demo, kept: Option<&Path>, to_terminal: bool) -> String {
    let ways_in = if to_terminal {
        let row = |role: &str, email: &str, password: &str| {
            vec![format!("  {role}"), email.to_owned(), password.to_owned()]
        };
        let mut rows: Vec<Vec<String>> =
            demo.agents.iter().map(|agent| row("agent", &agent.email, &agent.password)).collect();
        rows.push(row("admin", &demo.admin.email, &demo.admin.password));
        table(&["  LOG-IN", "E-MAIL", "PASSWORD"], &rows)
    } else {
        "  The log-ins are shown on a terminal, or with --ready-json.".to_owned()
    };
    let kept = match kept {
        Some(folder) => format!("Everything is kept in {}, log-ins too.", folder.display()),
        None => "Everything is forgotten when it stops.".to_owned(),
    };
    format!(
        "\nSwitchboard is running. Open {url}\n\n  The left pane is a visitor, the right one an agent: write in both.\n\n\
         {ways_in}\n\n  The API is described at {url}/docs\n  {kept} Ctrl-C stops it.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{AgentLogIn, LogIn};

    #[test]
    fn a_demo_tells_a_terminal_how_to_log_in_and_a_file_not() {
        let agent = |name: &str| AgentLogIn {
            agent_id: "agt_1".into(),
            email: format!("{name}@demo.example"),
            password: format!("secret of {name}"),
        };
        let demo = Demo {
            workspace_id: "ws_1".into(),
            site_id: "site_1".into(),
            site_key: "pk_1".into(),
            origin: "http://127.0.0.1:1".into(),
            team_id: "team_1".into(),
            admin: LogIn { email: "ada@demo.example".into(), password: "secret of ada".into() },
            agents: vec![agent("ann"), agent("bob")],
        };
        let text = welcome("http://127.0.0.1:1", &demo, Some(Path::new("./data")), true);
        for said in [
            "Open http://127.0.0.1:1\n",
            "  agent   ann@demo.example  secret of ann\n",
            "  admin   ada@demo.example  secret of ada\n",
            "kept in ./data",
            "http://127.0.0.1:1/docs",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let text = welcome("http://127.0.0.1:1", &demo, None, false);
        assert!(!text.contains("secret of") && text.contains("forgotten when it stops"), "{text}");
    }
}
