//! The front desk, rule by rule.

mod assignments;
mod routing;
mod unsettled;
