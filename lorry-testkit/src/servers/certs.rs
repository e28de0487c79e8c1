//! Certificates for tests of TLS.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority of its own, with a certificate for a server on loopback and one for a client. PEM texts.
#[derive(Clone, Debug)]
pub struct Certs {
    /// The authority's certificate: what a client is to trust.
    pub ca: String,
    /// The server's certificate, for `localhost`, 127.0.0.1 and ::1.
    pub server: String,
    /// The server's private key.
    pub server_key: String,
    /// A client's certificate; its common name is `client`.
    pub client: String,
    /// The client's private key.
    pub client_key: String,
}

impl Certs {
    /// New keys and certificates.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn generate() -> Self {
        Self::try_generate().unwrap_or_else(|error| panic!("cannot make certificates: {error}"))
    }

    fn try_generate() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Lorry test authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let issue = |name: &str, names: &[&str], purpose| {
            let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate()?;
            Ok::<_, rcgen::Error>((params.signed_by(&key, &ca)?.pem(), key.serialize_pem()))
        };
        let (server, server_key) =
            issue("localhost", &["localhost", "127.0.0.1", "::1"], ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client, client_key) = issue("client", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self { ca: ca.pem(), server, server_key, client, client_key })
    }
}
