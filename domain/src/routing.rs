//! Routing: which agent a waiting conversation goes to, and why. Pure: who is there and what he carries is given.

use crate::{Agent, Attribute, Attributes};

mod candidate;
mod explanation;
mod pace;
mod strategy;

pub use candidate::{Candidate, Exclusion};
pub use explanation::{Considered, Explanation, Rule};
pub use pace::Pace;
pub use strategy::{Choice, choose};

/// What a conversation asks of its agent. The page tells it by two attributes: `language` (a BCP 47 tag) and `skills`
/// (names with commas between them, all needed).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Lower case.
    language: Option<Box<str>>,
    /// Lower case.
    skills: Vec<Box<str>>,
}

impl Needs {
    /// What `attributes` ask for.
    pub fn of(attributes: &Attributes) -> Self {
        let mut needs = Self::default();
        for (key, value) in attributes.iter() {
            let Attribute::Text(text) = value else { continue };
            match key {
                "language" => needs.language = lower(text),
                "skills" => needs.skills = text.split(',').filter_map(lower).collect(),
                _ => {}
            }
        }
        needs
    }

    /// Leaves out what none of `agents` has: a page's slip must not make a visitor wait for nobody.
    #[must_use]
    pub fn that_somebody_has<'a>(&self, agents: impl Iterator<Item = &'a Skilled> + Clone) -> Self {
        let language = self.language.clone().filter(|tag| agents.clone().any(|agent| agent.speaks(tag)));
        let known = |skill: &str| agents.clone().any(|agent| agent.knows(skill));
        Self { language, skills: self.skills.iter().filter(|skill| known(skill)).cloned().collect() }
    }

    /// Why `agent` is not the one for it; none when he is.
    pub fn unmet_by(&self, agent: &Skilled) -> Option<Exclusion> {
        if self.language.as_ref().is_some_and(|tag| !agent.speaks(tag)) {
            return Some(Exclusion::Language);
        }
        self.skills.iter().any(|skill| !agent.knows(skill)).then_some(Exclusion::Skills)
    }
}

/// What an agent can, as far as routing asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skilled {
    languages: Vec<Box<str>>,
    skills: Vec<Box<str>>,
}

impl Skilled {
    /// By his record.
    pub fn of(agent: &Agent) -> Self {
        Self {
            languages: agent.languages.iter().filter_map(|tag| lower(tag.as_str())).collect(),
            skills: agent.skills.iter().filter_map(|skill| lower(skill.as_str())).collect(),
        }
    }

    /// `de` speaks for `de-AT`, and the other way round.
    fn speaks(&self, tag: &str) -> bool {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
        self.languages.iter().any(|spoken| primary(spoken) == primary(tag))
    }

    fn knows(&self, skill: &str) -> bool {
        self.skills.iter().any(|known| known.as_ref() == skill)
    }
}

fn lower(text: &str) -> Option<Box<str>> {
    let text = text.trim().to_lowercase();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skilled(languages: &[&str], skills: &[&str]) -> Skilled {
        let boxed = |all: &[&str]| all.iter().map(|one| Box::from(*one)).collect();
        Skilled { languages: boxed(languages), skills: boxed(skills) }
    }

    fn needs(language: &str, skills: &str) -> Needs {
        let text = |text: &str| Attribute::Text(text.into());
        let given = [("language".to_owned(), text(language)), ("skills".to_owned(), text(skills))];
        Needs::of(&Attributes::parse(given).unwrap())
    }

    #[test]
    fn all_skills_are_needed_and_a_language_in_any_of_its_forms() {
        let ann = skilled(&["de-ch"], &["billing", "returns"]);
        for (language, skills, unmet) in [
            ("DE", "Billing", None),
            ("de-AT", " billing , returns ", None),
            ("fr", "billing", Some(Exclusion::Language)),
            ("", "billing,legal", Some(Exclusion::Skills)),
            ("", " , ", None),
        ] {
            assert_eq!(needs(language, skills).unmet_by(&ann), unmet, "{language} {skills}");
        }
    }

    #[test]
    fn what_nobody_has_is_not_asked_for() {
        let team = [skilled(&["de"], &[]), skilled(&[], &["billing"])];
        let asked = needs("fr", "billing,legal").that_somebody_has(team.iter());
        assert_eq!(asked, needs("", "billing"));
        assert_eq!(needs("de", "").that_somebody_has(team.iter()), needs("de", ""));
    }
}
