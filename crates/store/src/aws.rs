//! The settings of an S3 client, read from the environment as the AWS tools read it.
//! Owns the checks that turn a bad setting into a sentence; builds no client.

use url::Url;

use crate::StoreError;

/// What the environment says, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AwsSettings {
    /// Where requests go instead of Amazon.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    /// A file of certificates to trust besides the system's.
    pub(crate) certificates: Option<String>,
}

impl AwsSettings {
    /// Reads the settings for `url` through `lookup`, where empty counts as not set.
    pub(crate) fn read(
        url: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StoreError> {
        let first = |names: &[&str]| {
            let mut set = names.iter().filter_map(|&name| lookup(name));
            set.find(|value| !value.is_empty())
        };
        check_keys(&first).map_err(|reason| bad(url, reason))?;
        let endpoint = first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        if let Some(endpoint) = &endpoint {
            check_endpoint(endpoint).map_err(|reason| bad(url, reason))?;
        }
        Ok(Self {
            endpoint,
            region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"])
                .unwrap_or_else(|| "us-east-1".to_owned()),
            certificates: first(&["AWS_CA_BUNDLE"]),
        })
    }

    /// Whether requests go unencrypted, as to a store on the same machine.
    pub(crate) fn is_plain_http(&self) -> bool {
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        endpoint.starts_with("http://")
    }
}

/// A key that came out of a file often ends in a line break, and then fails deep inside the signing of a request.
fn check_keys(first: &impl Fn(&[&str]) -> Option<String>) -> Result<(), String> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for name in names.iter().chain(&["AWS_SESSION_TOKEN"]) {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
        if first(&[name]).is_some_and(|value| value.contains(is_odd)) {
            return Err(format!(
                "{name} has a space, a line break or an odd character in it"
            ));
        }
    }
    match names.map(|name| first(&[name]).is_some()) {
        [true, false] => Err(format!("{} is set but {} is not", names[0], names[1])),
        [false, true] => Err(format!("{} is set but {} is not", names[1], names[0])),
        _ => Ok(()),
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let parsed = Url::parse(endpoint).ok();
    match parsed.as_ref().map(Url::scheme) {
        Some("http" | "https") => Ok(()),
        _ => Err(format!(
            "the endpoint in AWS_ENDPOINT_URL, `{endpoint}`, is no http:// or https:// address"
        )),
    }
}

fn bad(url: &str, reason: String) -> StoreError {
    let url = url.to_owned();
    StoreError::BadAddress { url, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<AwsSettings, StoreError> {
        AwsSettings::read("s3://b", |name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_amazon_in_us_east_1() {
        let settings = read(&[("AWS_REGION", ""), ("AWS_ENDPOINT_URL", "")]).unwrap();
        assert_eq!(settings.endpoint, None);
        assert_eq!(settings.region, "us-east-1");
        assert!(!settings.is_plain_http());
    }

    #[test]
    fn more_special_variable_wins() {
        let settings = read(&[
            ("AWS_ENDPOINT_URL", "https://all"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_REGION", "eu-north-1"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:8333"));
        assert_eq!(settings.region, "eu-north-1");
        assert!(settings.is_plain_http());
    }

    #[test]
    fn endpoint_without_scheme_is_named() {
        for endpoint in ["127.0.0.1:8333", "localhost:8333", "ftp://x", "http://"] {
            let message = read(&[("AWS_ENDPOINT_URL", endpoint)])
                .unwrap_err()
                .to_string();
            assert!(message.contains(endpoint), "{message}");
        }
    }

    #[test]
    fn half_a_key_pair_is_refused() {
        let message = read(&[("AWS_ACCESS_KEY_ID", "key")])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("AWS_SECRET_ACCESS_KEY is not"),
            "{message}"
        );
    }

    #[test]
    fn line_break_in_a_key_is_named_and_not_shown() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "hidden\n"),
        ];
        let message = read(&keys).unwrap_err().to_string();
        assert!(message.contains("AWS_SECRET_ACCESS_KEY has"), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }
}
