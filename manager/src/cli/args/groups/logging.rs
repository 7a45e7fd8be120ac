//! `--log-driver` and `--log-opt`.

use crate::cli::args::pairs::parse_label;
use clap::Args;
use common::container::Logging;

#[derive(Debug, Args)]
pub(in crate::cli) struct LogFlags {
    /// Where what is written goes, as in local or journald
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// An option of that driver, as in max-size=10m
    #[arg(long = "log-opt", value_name = "NAME=VALUE", value_parser = parse_label)]
    log_options: Vec<(String, String)>,
}

impl LogFlags {
    /// Options mean one driver and not the next: a driver comes with its own, and options alone
    /// are put beside those that are there.
    pub(in crate::cli::args) fn apply(&self, logging: &mut Option<Logging>) {
        if let Some(driver) = &self.log_driver {
            let driver = Some(driver.clone()).filter(|it| !it.is_empty());
            *logging = driver.map(|it| Logging { driver: Some(it), ..Logging::default() });
        }
        if !self.log_options.is_empty() {
            let logging = logging.get_or_insert_default();
            logging.options.extend(self.log_options.iter().cloned());
        }
    }
}
