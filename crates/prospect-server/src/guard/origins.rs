//! Checks which web pages may use the server.
//!
//! A browser sends the origin of a page with the page's requests. Without this check, any page that a
//! person visits could use a server on that person's machine.

/// Allowed origins besides the server's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Allows these origins (`https://host:port`) and the server's own page.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Whether a request with this `Origin` is allowed: from the server's own page, whose host equals
    /// `Host`, or from an allowed origin. Programs other than browsers send no origin and are allowed.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.to_ascii_lowercase();
        let own = origin.split_once("://").map(|(_, own)| own);
        let is_own = own.is_some() && own == host.map(str::to_ascii_lowercase).as_deref();
        is_own || self.0.contains(&origin)
    }

    /// Whether `Host` names this server. IP addresses, `localhost` and the hosts of allowed origins do.
    /// Other names do not: a stranger's name server can point them at this machine (DNS rebinding).
    pub fn know_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let let_in = |origin: &String| {
            origin
                .split_once("://")
                .is_some_and(|(_, own)| own == host.to_ascii_lowercase() || own == name.to_ascii_lowercase())
        };
        is_address || name.eq_ignore_ascii_case("localhost") || self.0.iter().any(let_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_page_may_and_foreign_ones_may_not() {
        let origins = Origins::new(["https://Studio.example/".to_owned()]);
        let host = Some("127.0.0.1:8000");
        assert!(origins.allow(None, host), "no page");
        assert!(origins.allow(Some("http://127.0.0.1:8000"), host));
        assert!(origins.allow(Some("https://studio.example"), host));
        for foreign in
            ["http://evil.example", "http://127.0.0.1:8001", "null", "http://127.0.0.1:8000.evil.example", ""]
        {
            assert!(!origins.allow(Some(foreign), host), "{foreign}");
        }
        assert!(!origins.allow(Some("http://evil.example"), None));
    }

    #[test]
    fn names_that_lead_here_by_somebody_elses_word_are_not_ours() {
        let origins = Origins::new(["https://studio.example".to_owned()]);
        for own in [
            "127.0.0.1:8000",
            "localhost:8000",
            "LOCALHOST",
            "[::1]:8000",
            "192.168.1.7:8000",
            "studio.example",
        ] {
            assert!(origins.know_host(own), "{own}");
        }
        for foreign in ["evil.example:8000", "localhost.evil.example", ""] {
            assert!(!origins.know_host(foreign), "{foreign}");
        }
    }
}
