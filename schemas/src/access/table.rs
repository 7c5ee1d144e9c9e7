//! The table of a service: which role may use which route. A route that is not in it is refused.

use super::{Claims, Limit, Role};

/// Who may use one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// HTTP method, in capitals.
    pub method: &'static str,
    /// Path as in the API document, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may use it; `None` is everybody, without a token.
    pub roles: Option<&'static [Role]>,
    /// The limits that the route holds to. A token with any other one is refused: overlooking it would widen it.
    pub honours: &'static [Limit],
}

impl Rule {
    /// A route that needs no token.
    pub const fn open(method: &'static str, path: &'static str) -> Self {
        Self { method, path, roles: None, honours: &[] }
    }

    /// A route for tokens of these roles, without any limit.
    pub const fn of(method: &'static str, path: &'static str, roles: &'static [Role]) -> Self {
        Self { method, path, roles: Some(roles), honours: &[] }
    }

    /// The same route, which holds to these limits.
    pub const fn honouring(self, honours: &'static [Limit]) -> Self {
        Self { honours, ..self }
    }

    /// Whether the holder of these claims may use the route at all.
    ///
    /// # Errors
    /// When the role is none of the route's, or the route cannot hold to a limit of the token.
    pub fn check(&self, claims: &Claims) -> Result<(), Refusal> {
        let Some(roles) = self.roles else { return Ok(()) };
        if !roles.contains(&claims.role) {
            return Err(Refusal::Role(roles));
        }
        match claims.scope.limits().find(|limit| !self.honours.contains(limit)) {
            Some(limit) => Err(Refusal::Limit(limit)),
            None => Ok(()),
        }
    }
}

/// Why somebody may not use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It takes one of these roles.
    Role(&'static [Role]),
    /// The token is limited in a way that the route cannot hold to.
    Limit(Limit),
}

/// The rules of a service.
#[derive(Debug, Clone, Copy)]
pub struct Table(pub &'static [Rule]);

impl Table {
    /// The rule of a route; none means that nobody may use it.
    pub fn rule(&self, method: &str, path: &str) -> Option<&'static Rule> {
        self.0.iter().find(|rule| rule.method == method && rule.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    const TABLE: Table = Table(&[
        Rule::open("GET", "/healthz"),
        Rule::of("POST", "/v1/scans", &[Role::Device, Role::Citizen]).honouring(&[Limit::Venues]),
    ]);

    fn claims(role: Role, scope: Scope) -> Claims {
        let text = String::new;
        Claims { iss: text(), aud: text(), sub: text(), role, scope, iat: 0, nbf: 0, exp: 0, jti: text() }
    }

    #[test]
    fn what_is_not_in_the_table_has_no_rule() {
        assert!(TABLE.rule("POST", "/v1/scans").is_some());
        assert!(TABLE.rule("GET", "/v1/scans").is_none() && TABLE.rule("POST", "/v1/scan").is_none());
    }

    #[test]
    fn only_the_roles_of_a_rule_may_use_it() {
        let rule = TABLE.rule("POST", "/v1/scans").expect("in the table");
        for role in Role::ALL {
            let allowed = matches!(role, Role::Device | Role::Citizen);
            assert_eq!(rule.check(&claims(*role, Scope::default())).is_ok(), allowed, "{role}");
            assert_eq!(TABLE.0[0].check(&claims(*role, Scope::default())), Ok(()));
        }
    }

    #[test]
    fn a_limit_that_a_route_cannot_hold_to_is_a_refusal() {
        let rule = TABLE.rule("POST", "/v1/scans").expect("in the table");
        let pinned = Scope { venues: Some(vec![7]), ..Scope::default() };
        assert_eq!(rule.check(&claims(Role::Device, pinned.clone())), Ok(()));
        let both = Scope { district: Some(31), ..pinned };
        assert_eq!(rule.check(&claims(Role::Device, both)), Err(Refusal::Limit(Limit::District)));
    }
}
