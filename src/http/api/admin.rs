//! What admins set up: workspaces, sites, teams, agents. A file for each; all are records with a version.
//!
//! A team's `agents` is the one truth of who is in which team; an agent's `team_ids` are read from it and written
//! to it.

pub mod agents;
pub mod site_key;
pub mod sites;
pub mod teams;
pub mod workspaces;

use domain::Line;

use super::fields::FromText;

/// A language as BCP 47 writes it: `en`, `pt-BR`; `pt_BR` is taken for the same. Only the form is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LanguageTag(Line<35>);

impl FromText for LanguageTag {
    fn from_text(text: &str) -> Result<Self, String> {
        let part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let text = text.trim().replace('_', "-");
        let line = Line::parse(&text).ok().filter(|_| text.split('-').all(part));
        line.map(Self).ok_or_else(|| "must be a language tag such as en or pt-BR".to_owned())
    }
}
