//! Routing: which agent a waiting conversation goes to, and why. Pure: the caller says which agents are present, and what
//! each of them carries.

use crate::{Agent, Attribute, Attributes};

mod candidate;
mod explanation;
mod pace;
mod strategy;

pub use candidate::{Candidate, Exclusion};
pub use explanation::{Considered, Explanation, Rule};
pub use pace::Pace;
pub use strategy::{Choice, choose};

/// What a conversation asks of its agent. The page tells it by two attributes: `language` (a BCP 47 tag, or as
/// operating systems write it: `pt_BR.UTF-8`) and `skills` (a list, or a text with commas between the names; all needed).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its first part, in lower case.
    language: Option<Box<str>>,
    /// Lower case.
    skills: Vec<Box<str>>,
}

impl Needs {
    /// What `attributes` ask for.
    pub fn of(attributes: &Attributes) -> Self {
        let mut needs = Self::default();
        for (key, value) in attributes.iter() {
            match (key, value) {
                ("language", Attribute::Text(text)) => needs.language = language(text),
                ("skills", Attribute::Text(text)) => {
                    needs.skills = text.split(',').filter_map(lower).collect();
                }
                ("skills", Attribute::List(words)) => {
                    needs.skills = words.iter().filter_map(|word| lower(word.as_str())).collect();
                }
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

    /// Why `agent` does not meet the needs; none when they do.
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
    /// From the agent's record.
    pub fn of(agent: &Agent) -> Self {
        Self {
            languages: agent.languages.iter().filter_map(|tag| language(tag.as_str())).collect(),
            skills: agent.skills.iter().filter_map(|skill| lower(skill.as_str())).collect(),
        }
    }

    fn speaks(&self, language: &str) -> bool {
        self.languages.iter().any(|spoken| spoken.as_ref() == language)
    }

    fn knows(&self, skill: &str) -> bool {
        self.skills.iter().any(|known| known.as_ref() == skill)
    }
}

/// The language itself, without script and region: an agent who speaks `de` speaks for `de-AT`, and the other way round, and
/// `pt-BR` for `pt-PT`. Of several, as browsers list them, the first.
fn language(tag: &str) -> Option<Box<str>> {
    lower(tag.trim().split(['-', '_', '.', '@', ',', ';']).next().unwrap_or_default())
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
        Skilled {
            languages: languages.iter().filter_map(|tag| language(tag)).collect(),
            skills: boxed(skills),
        }
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
    fn a_language_is_known_in_each_of_its_spellings() {
        for (asked, spoken, speaks) in [
            ("pt_BR", "pt-BR", true),
            ("PT-br", "pt", true),
            (" pt ", "PT_BR", true),
            ("pt_PT.UTF-8", "pt-BR", true),
            ("sr@latin", "sr-Cyrl-RS", true),
            ("zh_Hans_CN", "zh-TW", true),
            ("de-AT,de;q=0.9", "de", true),
            ("p", "pt", false),
            ("pta", "pt", false),
            ("en-PT", "pt", false),
        ] {
            let unmet = needs(asked, "").unmet_by(&skilled(&[spoken], &[]));
            assert_eq!(unmet.is_none(), speaks, "{asked} {spoken}");
        }
    }

    #[test]
    fn a_skill_of_a_list_may_hold_a_comma() {
        let words = |words: &[&str]| {
            let list = words.iter().map(|word| crate::Line::parse(word).unwrap()).collect();
            Needs::of(&Attributes::parse([("skills".to_owned(), Attribute::List(list))]).unwrap())
        };
        let ann = skilled(&[], &["billing, refunds", "vip"]);
        for (given, unmet) in [
            (vec!["Billing, Refunds"], None),
            (vec![" vip ", "billing, refunds"], None),
            (vec!["billing"], Some(Exclusion::Skills)),
            (vec!["billing,refunds"], Some(Exclusion::Skills)),
            (vec![], None),
        ] {
            assert_eq!(words(&given).unmet_by(&ann), unmet, "{given:?}");
        }
        assert_eq!(needs("", "billing, refunds").unmet_by(&ann), Some(Exclusion::Skills));
    }

    #[test]
    fn what_nobody_has_is_not_asked_for() {
        let team = [skilled(&["de"], &[]), skilled(&[], &["billing"])];
        let asked = needs("fr", "billing,legal").that_somebody_has(team.iter());
        assert_eq!(asked, needs("", "billing"));
        assert_eq!(needs("de", "").that_somebody_has(team.iter()), needs("de", ""));
    }
}
