//! What the profile in use says of S3 besides credentials: region and endpoint. Its files are those of the AWS tools.

use aws_config::profile;
use aws_runtime::env_config::EnvConfigValue;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use futures::executor::block_on;

use crate::classify::one_line;
use crate::environment::Environment;

/// The profile in use.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

impl Profile {
    /// Reads the files of profiles; that there are none is no failure.
    ///
    /// # Errors
    /// A file that cannot be parsed, and a profile that was asked for and is not there.
    pub(super) fn read(environment: &Environment) -> Result<Self, String> {
        let (env, files) = (env(environment), EnvConfigFiles::default());
        // Nothing is waited for: it reads two small files.
        let read = block_on(profile::load(&Fs::real(), &env, &files, None));
        let set = read.map_err(|error| {
            format!(
                "the profiles in {} cannot be read: {}",
                places(environment),
                one_line(&error)
            )
        })?;
        let name = set.selected_profile().to_owned();
        if environment.get("AWS_PROFILE").is_some() && set.get_profile(&name).is_none() {
            return Err(format!(
                "AWS_PROFILE = {name} names no profile in {}",
                places(environment)
            ));
        }
        let unset = Env::from_slice(&[]);
        let value = |key| {
            let found = EnvConfigValue::new().profile(key).service_id("s3");
            let found = found
                .load(&unset, Some(&set))
                .map(|(value, _)| value.trim().to_owned());
            found.filter(|value| !value.is_empty())
        };
        Ok(Self {
            region: value("region"),
            endpoint: value("endpoint_url"),
            name,
        })
    }
}

/// The environment as the AWS library takes it.
pub(super) fn env(environment: &Environment) -> Env {
    let variables: Vec<(&str, &str)> = environment.all().collect();
    Env::from_slice(&variables)
}

fn places(environment: &Environment) -> String {
    let config = environment.get("AWS_CONFIG_FILE");
    let credentials = environment.get("AWS_SHARED_CREDENTIALS_FILE");
    format!(
        "{} and {}",
        config.unwrap_or("~/.aws/config"),
        credentials.unwrap_or("~/.aws/credentials")
    )
}
