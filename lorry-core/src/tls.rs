//! TLS options, the same for every connector: `ca= cert= key= insecure=`.
//!
//! The cryptography provider is named here and handed to every configuration. Nothing asks for the process's default: a program
//! with two providers in its tree would panic there.

use crate::{Error, ErrorKind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use rustls;

/// Certificates and verification.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct TlsOptions {
    /// PEM file of the certificate authorities to trust, in place of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the own certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file of the own private key.
    pub key: Option<PathBuf>,
    /// Do not verify the peer's certificate. For tests only: anybody can be the peer.
    pub insecure: bool,
}

impl TlsOptions {
    /// Whether any of them was given; a connection without TLS should refuse them.
    pub fn is_set(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some() || self.insecure
    }

    /// The configuration of a client, with these protocols offered by ALPN.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate or key, class config.
    pub fn client(&self, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
        self.client_with(alpn, true)
    }

    /// As [`client`](TlsOptions::client), but a certificate of any name is accepted as long as its chain is good: PostgreSQL's
    /// `verify-ca`.
    ///
    /// # Errors
    /// As [`client`](TlsOptions::client).
    pub fn client_of_any_name(&self, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
        self.client_with(alpn, false)
    }

    fn client_with(&self, alpn: &[&str], names: bool) -> Result<Arc<ClientConfig>> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| trouble("set up TLS", &error))?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
        } else if names {
            builder.with_root_certificates(self.roots()?)
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                .build()
                .map_err(|error| trouble("set up verification", &error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier)))
        };
        let mut config = match self.identity()? {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|error| trouble("use the own certificate", &error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// The configuration of a listener: `cert` and `key` are required, `ca` has clients show a certificate.
    ///
    /// # Errors
    /// As [`client`](TlsOptions::client).
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let provider = provider();
        let (chain, key) = self.identity()?.ok_or_else(|| Error::usage("a TLS listener needs cert= and key="))?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| trouble("set up TLS", &error))?;
        let builder = match &self.ca {
            None => builder.with_no_client_auth(),
            Some(_) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                    .build()
                    .map_err(|error| trouble("set up client verification", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config =
            builder.with_single_cert(chain, key).map_err(|error| trouble("use the own certificate", &error))?;
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| trouble("trust the CA", &error).with("file", path.display()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(Error::config(
                        ErrorKind::NotFound,
                        "set up TLS",
                        "the system has no certificate authorities",
                    )
                    .hint("name a PEM file with ca="));
                }
            }
        }
        Ok(roots)
    }

    fn identity(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let key_der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| trouble("read the private key", &error).with("file", key.display()))?;
                Ok(Some((chain, key_der)))
            }
            (None, None) => Ok(None),
            _ => Err(Error::usage("cert= and key= go together")),
        }
    }
}

/// The one cryptography provider of Lorry.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| trouble("read certificates", &error).with("file", path.display()))?;
    if chain.is_empty() {
        return Err(trouble("read certificates", &"the file holds none").with("file", path.display()));
    }
    Ok(chain)
}

fn trouble(op: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::config(ErrorKind::Io, op, error)
}

/// `insecure=true`: signatures are still checked, so that the handshake itself is sound; the name and the chain are not.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The chain is verified, the name is not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(certificate, chain, name, ocsp, now) {
            // The verifier looks at the name last.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
