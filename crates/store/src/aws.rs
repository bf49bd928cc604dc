//! The settings of an S3 client, from the environment and the profile, as the AWS tools read them.
//! Owns the checks that turn a bad setting into a sentence; sends nothing.

mod credentials;
mod profile;
mod transport;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use url::Url;

use crate::StoreError;
use crate::address::without_secrets;
use crate::environment::Environment;

pub(crate) use credentials::{Credentials, NoCredentials};
use profile::Profile;

const KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// What environment and profile say, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AwsSettings {
    /// Where requests go instead of Amazon.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    /// A file of certificates to trust besides the system's.
    pub(crate) certificates: Option<String>,
    /// Whether requests are sent without a signature, as to a public bucket.
    pub(crate) is_anonymous: bool,
    /// Whether the environment holds the keys, so that none are fetched.
    pub(crate) has_keys: bool,
}

impl AwsSettings {
    /// Reads the settings for `url`.
    pub(crate) fn read(url: &str, environment: &Environment) -> Result<Self, StoreError> {
        let bad = |reason| StoreError::BadAddress {
            url: url.to_owned(),
            reason,
        };
        check_keys(environment).map_err(bad)?;
        let profile = Profile::read(environment).map_err(bad)?;
        let is_anonymous = environment.get("AWS_SKIP_SIGNATURE");
        let region = environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let region = region.map(|(_, region)| region.trim().to_owned());
        Ok(Self {
            endpoint: endpoint(environment, &profile).map_err(bad)?,
            region: region
                .or(profile.region)
                .unwrap_or_else(|| "us-east-1".to_owned()),
            certificates: environment.get("AWS_CA_BUNDLE").map(str::to_owned),
            has_keys: environment.get(KEY).is_some(),
            is_anonymous: is_anonymous.is_some_and(|value| value.eq_ignore_ascii_case("true")),
        })
    }

    /// Whether requests go unencrypted, as to a store on the same machine.
    pub(crate) fn is_plain_http(&self) -> bool {
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        endpoint.starts_with("http:")
    }

    /// Where requests go.
    pub(crate) fn target(&self) -> Option<Url> {
        let amazon = || format!("https://s3.{}.amazonaws.com", self.region);
        Url::parse(&self.endpoint.clone().unwrap_or_else(amazon)).ok()
    }
}

/// Hands the variables that are none of ours to the client: encryption, checksums, who pays, and the like.
pub(crate) fn with_options(builder: AmazonS3Builder, environment: &Environment) -> AmazonS3Builder {
    use AmazonS3ConfigKey as Key;
    let variables = environment.beginning_with("AWS_");
    variables.fold(builder, |builder, (name, value)| {
        match name.to_ascii_lowercase().parse() {
            Ok(
                key @ (Key::VirtualHostedStyleRequest
                | Key::S3Express
                | Key::UnsignedPayload
                | Key::Checksum
                | Key::SkipSignature
                | Key::CopyIfNotExists
                | Key::DisableTagging
                | Key::DisableBulkDelete
                | Key::RequestPayer
                | Key::Encryption(_)),
            ) => builder.with_config(key, value.trim()),
            _ => builder,
        }
    })
}

/// A key that came out of a file often ends in a line break, and then fails deep inside the signing of a request.
fn check_keys(environment: &Environment) -> Result<(), String> {
    for name in [KEY, SECRET, TOKEN] {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
        if environment
            .get(name)
            .is_some_and(|value| value.contains(is_odd))
        {
            return Err(format!(
                "{name} has a space, a line break or another character in it that no key has"
            ));
        }
    }
    match [KEY, SECRET].map(|name| environment.get(name).is_some()) {
        [true, false] => Err(format!("{KEY} is set but {SECRET} is not")),
        [false, true] => Err(format!("{SECRET} is set but {KEY} is not")),
        _ => Ok(()),
    }
}

fn endpoint(environment: &Environment, profile: &Profile) -> Result<Option<String>, String> {
    let ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    // The last is the name that object_store gives it, known from other tools that are built on it.
    let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let (source, endpoint) = match (environment.first(&names), &profile.endpoint) {
        (Some((name, value)), _) => (name.to_owned(), value),
        (None, Some(value)) => (
            format!("endpoint_url of the profile {}", profile.name),
            value.as_str(),
        ),
        (None, None) => return Ok(None),
    };
    check_endpoint(endpoint.trim())
        .map(|()| Some(endpoint.trim().to_owned()))
        .map_err(|wrong| format!("{source} = {} {wrong}", without_secrets(endpoint.trim())))
}

fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let parsed = Url::parse(endpoint).ok();
    let Some(parsed) =
        parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        return Err("is no http:// or https:// address");
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(
            "has a user in it; credentials are set with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    match parsed.query().is_some() || parsed.fragment().is_some() {
        true => Err("has a `?` or `#` in it; give the address of the store alone"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
