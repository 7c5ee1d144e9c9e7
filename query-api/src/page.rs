//! The page behind a venue code: what any phone's scanner opens (S0, S2). It is the same for every code, so that a phone
//! keeps it and it opens without the server; the scan goes from the phone to the gateway, and nothing of it comes by here.

use anyhow::ensure;
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Where the page finds the gateway.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Page behind a code")]
pub struct PageConfig {
    /// Origin of the gateway as phones reach it, such as https://gate.example; that of the page itself, when left out. The
    /// gateway has to allow the page's origin, with --page-origin
    #[arg(long, env = "VENUECODE_GATEWAY_ORIGIN", default_value = "", value_name = "ORIGIN")]
    pub gateway_origin: String,
}

/// The page and its parts, with the headers that they are sent with.
#[derive(Debug, Clone)]
pub struct Page {
    html: String,
    policy: HeaderValue,
}

impl Page {
    /// The page of a configuration.
    ///
    /// # Errors
    /// When the gateway's origin is none.
    pub fn try_new(config: &PageConfig) -> anyhow::Result<Self> {
        let origin = &config.gateway_origin;
        ensure!(
            origin.is_empty() || is_origin(origin),
            "--gateway-origin `{origin}` is no origin: expected http:// or https://, a host and perhaps a port"
        );
        let html = include_str!("page/page.html").replace("{gateway}", origin);
        // Nothing but its own parts and the gateway: no tracker, no third host, and no text that came in can run.
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; connect-src 'self' {origin}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Self { html, policy: policy.parse()? })
    }

    /// A part of the page by its name, or the page itself for the characters of a code; `None` for anything else.
    pub fn part(&self, name: &str) -> Option<Response> {
        let (media_type, text) = match name {
            "page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js").to_owned()),
            "worker.js" => ("text/javascript; charset=utf-8", include_str!("page/worker.js").to_owned()),
            "page.css" => ("text/css; charset=utf-8", include_str!("page/page.css").to_owned()),
            "page.html" => ("text/html; charset=utf-8", self.html.clone()),
            code if looks_like_code(code) => ("text/html; charset=utf-8", self.html.clone()),
            _ => return None,
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // Phones ask each time, and fall back on what they have: a mistake in a page must not outlive its correction.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        Some((headers, text).into_response())
    }
}

/// Whether it has the form of a venue code. Whether it is one the gateway says, also of one that was typed.
fn looks_like_code(name: &str) -> bool {
    name.len() == 17 && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(origin: &str) -> anyhow::Result<Page> {
        Page::try_new(&PageConfig { gateway_origin: origin.to_owned() })
    }

    #[test]
    fn only_an_origin_is_taken_as_one() {
        for origin in ["", "http://127.0.0.1:8080", "https://gate.example", "https://[::1]:8443"] {
            assert!(page(origin).is_ok(), "{origin}");
        }
        for other in
            ["gate.example", "https://", "https://gate.example/", "https://a b", "http://x; script-src *", "ftp://x"]
        {
            assert!(page(other).is_err(), "{other}");
        }
    }

    #[test]
    fn nothing_of_the_page_comes_from_or_goes_to_another_host() {
        let page = page("https://gate.example").expect("an origin");
        let parts = [include_str!("page/page.js"), include_str!("page/worker.js"), include_str!("page/page.css")];
        for text in parts.into_iter().chain([page.html.replace("https://gate.example", "").as_str()]) {
            assert!(!text.contains("//www") && !text.contains("http://") && !text.contains("https://"));
            assert!(!text.contains("innerHTML") && !text.contains("eval("));
        }
        // The policy allows no script or style within the page.
        for inline in ["<style", " style=", "onclick=", "onload=", "<script>"] {
            assert!(!page.html.contains(inline), "{inline}");
        }
    }

    #[test]
    fn what_can_be_no_code_has_no_page() {
        let page = page("").expect("an origin");
        for name in ["1000003R0GX2M4T5A", "1000003r0gx2m4t5a", "page.html", "page.js", "page.css", "worker.js"] {
            assert!(page.part(name).is_some(), "{name}");
        }
        for name in ["", "1000003R0GX2M4T5", "1000003R0GX2M4T5A1", "..", "page.rs", "1000003R0GX2M4T5码"] {
            assert!(page.part(name).is_none(), "{name}");
        }
    }
}
