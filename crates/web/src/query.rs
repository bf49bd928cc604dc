//! What a request asks for after its path, and what is answered when that makes no sense.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use url::form_urlencoded;

/// Characters of what somebody asked for, as it is repeated to him.
const SHOWN: usize = 64;

/// The values of a query by their names.
pub(crate) struct Query(BTreeMap<String, String>);

/// Why there is no answer, in one line.
pub(crate) struct Refusal(StatusCode, String);

impl Query {
    /// Reads a query that may have these names.
    pub(crate) fn of(raw: Option<&str>, names: &[&str]) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        let pairs: BTreeMap<String, String> = pairs.into_owned().collect();
        match pairs.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(Self(pairs)),
            Some(other) => {
                let names = names.join(", ");
                Err(Refusal::wrong(format!(
                    "{:?} is none of {names}",
                    shown(other)
                )))
            }
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number within bounds.
    pub(crate) fn number(
        &self,
        name: &str,
        otherwise: u64,
        bounds: RangeInclusive<u64>,
    ) -> Result<u64, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(otherwise);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            Refusal::wrong(format!("{name} is a whole number from {least} to {most}"))
        })
    }

    /// The steps `from` to `to`, both included; all without them.
    pub(crate) fn steps(&self) -> Result<RangeInclusive<u64>, Refusal> {
        let from = self.number("from", 0, 0..=u64::MAX)?;
        let to = self.number("to", u64::MAX, 0..=u64::MAX)?;
        Ok(from..=to)
    }

    pub(crate) fn is(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(_) => Err(Refusal::wrong(format!("{name} is true or false"))),
        }
    }
}

impl Refusal {
    pub(crate) fn wrong(line: String) -> Self {
        Self(StatusCode::BAD_REQUEST, line)
    }

    pub(crate) fn unknown(what: &str, name: &str) -> Self {
        Self(
            StatusCode::NOT_FOUND,
            format!("there is no {what} {:?}", shown(name)),
        )
    }

    /// The store does not answer, or has no run there.
    pub(crate) fn away(error: &dyn Display) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }

    pub(crate) fn full() -> Self {
        let line = "as many streams are open as there may be; close one and try again";
        Self(StatusCode::SERVICE_UNAVAILABLE, line.to_owned())
    }

    pub(crate) fn failed(error: &dyn Display) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(raw: &str) -> Result<Query, Refusal> {
        Query::of(Some(raw), &["points", "from", "to", "relative", "name"])
    }

    fn line<T>(refused: Result<T, Refusal>) -> String {
        refused.map_or_else(|refusal| refusal.1, |_| panic!("taken"))
    }

    #[test]
    fn values_are_taken_within_their_bounds() {
        let query = query("points=20&from=3&name=a%2Cb+c&relative=true")
            .ok()
            .unwrap();
        let points = query.number("points", 7, 1..=20);
        assert_eq!(points.ok(), Some(20));
        assert_eq!(query.steps().ok(), Some(3..=u64::MAX));
        assert_eq!(query.text("name"), Some("a,b c"));
        assert_eq!(query.is("relative").ok(), Some(true));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        let of = |raw: &str| line(query(raw).ok().unwrap().number("points", 7, 1..=20));
        for raw in ["points=0", "points=21", "points=-1", "points=x", "points="] {
            assert_eq!(of(raw), "points is a whole number from 1 to 20");
        }
        assert_eq!(
            line(query("point=3")),
            r#""point" is none of points, from, to, relative, name"#
        );
        assert!(line(query(&"x".repeat(5000))).len() < 200);
        assert_eq!(
            line(query("relative=yes").ok().unwrap().is("relative")),
            "relative is true or false"
        );
        assert!(Query::of(None, &[]).is_ok());
    }
}
