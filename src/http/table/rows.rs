//! The one list of routes, by resource. To add an endpoint is to add a row to its resource's list.

use super::route::Route;
use crate::config::{Config, StoreKind};
use crate::http::api;

/// The rows that the main listener serves.
pub fn served(config: &Config) -> impl Iterator<Item = &'static Route> {
    let metrics = if config.metrics_listen.is_none() { api::health::METRICS } else { &[] };
    let search = match config.store.kind {
        StoreKind::Sqlite => &[],
        StoreKind::Cql => api::search::UNAVAILABLE,
    };
    table().chain(metrics).chain(search)
}

/// All rows but that of `/metrics`, by resource.
pub fn table() -> impl Iterator<Item = &'static Route> {
    let resources: [&'static [Route]; 24] = [
        api::auth::ROUTES,
        api::widget::ROUTES,
        api::visitors::ROUTES,
        api::conversations::ROUTES,
        api::events::ROUTES,
        api::messages::ROUTES,
        api::uploads::ROUTES,
        api::files::ROUTES,
        api::agent_conversations::ROUTES,
        api::assignments::ROUTES,
        api::transfers::ROUTES,
        api::tags::ROUTES,
        api::routing::ROUTES,
        api::colleagues::ROUTES,
        api::status::ROUTES,
        api::canned::ROUTES,
        api::admin::workspaces::ROUTES,
        api::admin::sites::ROUTES,
        api::admin::site_key::ROUTES,
        api::admin::teams::ROUTES,
        api::admin::agents::ROUTES,
        api::socket::ROUTES,
        api::health::ROUTES,
        api::documents::ROUTES,
    ];
    resources.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::http::table::{Rate, Target};

    #[test]
    fn a_path_that_names_a_conversation_says_so() {
        for row in table().map(|route| &route.row) {
            let names_one = row.path.contains("/conversations/{id}");
            assert_eq!(row.target == Target::Conversation, names_one, "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn nothing_is_free_but_what_machines_ask_how_the_server_is() {
        let rows = || table().chain(api::health::METRICS).map(|route| &route.row);
        let free: Vec<&str> = rows().filter(|row| row.rates.is_empty()).map(|row| row.path).collect();
        assert_eq!(free, ["/healthz", "/readyz", "/metrics"], "give the row one of `Rate`");
        for row in rows().filter(|row| row.rates == [Rate::Reads]) {
            assert!(row.method == Method::GET, "{} {} changes something", row.method, row.path);
        }
    }
}
