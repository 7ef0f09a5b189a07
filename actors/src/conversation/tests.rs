use domain::Request;

/// A request that panics the actor that decides it.
pub(super) fn is_poisonous(request: &Request) -> bool {
    request.client_id.as_ref().is_some_and(|id| id.as_str() == "poison")
}
