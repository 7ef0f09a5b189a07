//! Whether there is anybody to answer: a site, a team that it leads to, and agents in it.

use domain::{Agent, Site, Team, Timestamp, Workspace};
use store::{Document, INSTALLATION, Records, StoreError, Versioned};

use super::report::Report;

/// What the records of all workspaces hold.
#[derive(Debug, Default)]
pub(super) struct Staff {
    workspaces: usize,
    sites: usize,
    teams: usize,
    /// Those who may log in.
    agents: usize,
    /// By name: teams that a site leads to, without anybody who may log in.
    empty: Vec<String>,
    /// E-mails of those who may log in and are in no team.
    without_team: usize,
    /// The newest stamp of any of these records.
    pub(super) newest: Option<Timestamp>,
}

/// Reads them.
///
/// # Errors
/// As the store's.
pub(super) async fn look(records: &dyn Records) -> Result<Staff, StoreError> {
    let mut found = Staff::default();
    let workspaces: Vec<Versioned<Workspace>> = store::all(records, INSTALLATION).await?;
    found.stamps(&workspaces);
    found.workspaces = workspaces.len();
    for workspace in workspaces {
        let id = workspace.document.id;
        let sites: Vec<Versioned<Site>> = store::all(records, id).await?;
        let teams: Vec<Versioned<Team>> = store::all(records, id).await?;
        let agents: Vec<Versioned<Agent>> = store::all(records, id).await?;
        found.stamps(&sites);
        found.stamps(&teams);
        found.stamps(&agents);
        found.count(
            &sites.into_iter().map(|one| one.document).collect::<Vec<_>>(),
            &teams.into_iter().map(|one| one.document).collect::<Vec<_>>(),
            &agents.into_iter().map(|one| one.document).collect::<Vec<_>>(),
        );
    }
    Ok(found)
}

impl Staff {
    fn stamps<T: Document>(&mut self, records: &[Versioned<T>]) {
        let newest = records.iter().map(|record| record.updated_at).max();
        self.newest = self.newest.max(newest);
    }

    fn count(&mut self, sites: &[Site], teams: &[Team], agents: &[Agent]) {
        let may: Vec<&Agent> = agents.iter().filter(|agent| !agent.disabled).collect();
        self.sites += sites.len();
        self.teams += teams.len();
        self.agents += may.len();
        for team in teams.iter().filter(|team| sites.iter().any(|site| site.team == team.id)) {
            if !may.iter().any(|agent| team.agents.contains(&agent.id)) {
                self.empty.push(team.name.as_str().to_owned());
            }
        }
        let teamless = |agent: &&&Agent| !teams.iter().any(|team| team.agents.contains(&agent.id));
        self.without_team += may.iter().filter(teamless).count();
    }

    /// Says what is missing, and which command makes it.
    pub(super) fn tell(&self, report: &mut Report) {
        if self.workspaces == 0 {
            return report
                .fail("people", "there is no workspace yet: `switchboard workspace create --name NAME`");
        }
        let (sites, teams, agents) = (self.sites, self.teams, self.agents);
        match sites {
            0 => report.fail("sites", "there is none: `switchboard site create --name NAME --origin ORIGIN`"),
            _ => report.ok("sites", sites.to_string()),
        }
        match teams {
            0 => report.fail("teams", "there is none: `switchboard team create --name NAME --agent EMAIL`"),
            _ => report.ok("teams", teams.to_string()),
        }
        if agents == 0 || agents == self.without_team {
            let todo = "`switchboard agent create --email EMAIL --name NAME --team TEAM`";
            report.fail("agents", format!("none who may log in is in a team, so nobody answers: {todo}"));
        } else {
            report.ok("agents", format!("{agents}, {} of them in a team", agents - self.without_team));
        }
        for team in &self.empty {
            let todo = "`switchboard team add --team TEAM --agent EMAIL`";
            report
                .fail("teams", format!("a site leads to {team}, and nobody who may log in is in it: {todo}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AgentId, Email, Line, Name, Role, SiteId, Status, TeamId};

    use super::*;

    fn agent(n: u8, disabled: bool) -> Agent {
        Agent {
            id: AgentId::from_hash([n; 16]),
            email: Email::parse(&format!("a{n}@x.org")).unwrap(),
            name: Name::parse("A").unwrap(),
            role: Role::Agent,
            capacity: 5,
            skills: Vec::new(),
            languages: Vec::new(),
            disabled,
            operator: false,
            password_hash: "".into(),
            status: Status::Offline,
            generation: 0,
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_makes_it() {
        let team = |members: &[u8]| {
            let members = members.iter().map(|n| AgentId::from_hash([*n; 16])).collect();
            let new = Team::new(TeamId::from_hash([1; 16]), Name::parse("Support").unwrap());
            Team { agents: members, ..new }
        };
        let site = || {
            let key = Line::parse("pk_1").unwrap();
            Site::new(
                SiteId::from_hash([1; 16]),
                key,
                Name::parse("Shop").unwrap(),
                TeamId::from_hash([1; 16]),
            )
        };
        type Case = (Vec<Site>, Vec<Team>, Vec<Agent>, &'static [&'static str]);
        let cases: [Case; 6] = [
            (vec![], vec![], vec![], &["site create", "team create", "agent create"]),
            (vec![site()], vec![team(&[])], vec![agent(1, false)], &["agent create", "team add"]),
            (vec![site()], vec![team(&[1])], vec![agent(1, true)], &["agent create", "team add"]),
            (vec![site()], vec![team(&[1])], vec![agent(1, false)], &[]),
            (vec![], vec![team(&[1])], vec![agent(1, false)], &["site create"]),
            (vec![site()], vec![team(&[1])], vec![agent(1, false), agent(2, false)], &[]),
        ];
        for (sites, teams, agents, commands) in cases {
            let mut staff = Staff { workspaces: 1, ..Staff::default() };
            staff.count(&sites, &teams, &agents);
            let mut report = Report::default();
            staff.tell(&mut report);
            assert_eq!(report.failed(), commands.len(), "{}", report.text());
            assert!(commands.iter().all(|command| report.text().contains(command)), "{}", report.text());
        }
        let mut report = Report::default();
        Staff::default().tell(&mut report);
        assert!(report.text().contains("workspace create"), "{}", report.text());
    }
}
