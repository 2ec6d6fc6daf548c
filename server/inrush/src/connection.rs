//! The connection of a client command to a front.

use std::future::Future;

use inrush_client::{CallError, Client, ClientSettings, TlsSettings};

use crate::{error, settings::Settings};

/// The variable with the bearer token: its value is not accepted in a file or an argument.
const TOKEN_VARIABLE: &str = "INRUSH_CLIENT_TOKEN";

/// The client of a front, and the front's URL for messages.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    server: String,
}

impl Connection {
    /// Connects to the front that the settings name.
    ///
    /// # Errors
    /// If the front cannot be reached or the settings are invalid.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        match Client::connect(client_settings(settings)).await {
            Ok(client) => Ok(Self { client, server: settings.server.clone() }),
            Err(error) => Err(error::connection(&error)),
        }
    }

    /// The client.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the response to a call.
    ///
    /// # Errors
    /// If the call failed.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> anyhow::Result<T> {
        call.await.map_err(|error| self.explain(&error))
    }

    /// The error of a failed call, in two lines.
    pub(crate) fn explain(&self, error: &CallError) -> anyhow::Error {
        error::call(error, &self.server)
    }
}

fn client_settings(settings: &Settings) -> ClientSettings {
    let client = &settings.client;
    let mut chosen = ClientSettings::new(settings.server.as_str())
        .connections_per_endpoint(1)
        .call_deadline(client.timeout)
        .user_agent(concat!("inrush/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = &client.token_file {
        chosen = chosen.bearer_token_file(file);
    } else if client.token.is_some() {
        chosen = chosen.bearer_token_variable(TOKEN_VARIABLE);
    }
    if settings.server.starts_with("https://") {
        let mut tls = TlsSettings::new();
        if let Some(file) = &client.ca_file {
            tls = tls.ca_file(file);
        }
        if let Some(name) = &client.domain {
            tls = tls.domain_name(name);
        }
        if let (Some(certificate), Some(key)) = (&client.cert_file, &client.key_file) {
            tls = tls.client_certificate_files(certificate, key);
        }
        chosen = chosen.tls(tls);
    }
    chosen
}
