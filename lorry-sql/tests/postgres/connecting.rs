//! Addresses, logins, encryption.

use super::{batch, deliver, ids, open, options, server};
use lorry_core::relay::{Identity, Sink};
use lorry_core::{Class, Error, ErrorKind};
use lorry_sql::{SqlOptions, SqlSink};
use lorry_testkit::servers::{Certs, Postgres, PostgresOptions, free_port};

async fn refused(options: SqlOptions) -> Error {
    open(&options).await.unwrap_err()
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn logins() {
    let server = Postgres::start(PostgresOptions::default().password("s3cr:t@/ü"));
    let at = |login: &str, database: &str| {
        SqlOptions::new(format!("postgresql://{login}@127.0.0.1:{}/{database}", server.port())).table("t")
    };
    let mut sink = open(&at("postgres:s3cr%3At%40%2F%C3%BC", "postgres")).await.unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();
    let info = sink.info(&Identity::default());
    assert_eq!(info.identity, format!("postgresql://127.0.0.1:{}/postgres t", server.port()));
    assert!(!format!("{sink:?}").contains("s3cr"));

    let wrong = refused(at("postgres:wr0ng", "postgres")).await;
    assert_eq!((wrong.class(), wrong.kind()), (Class::Config, ErrorKind::Auth));
    assert!(wrong.to_string().contains("password authentication failed for user \"postgres\""), "{wrong}");
    assert!(!format!("{wrong} {wrong:?}").contains("wr0ng"), "{wrong:?}");
    let missing = refused(at("postgres", "postgres")).await;
    assert_eq!((missing.class(), missing.kind()), (Class::Config, ErrorKind::Auth), "{missing}");
    assert!(missing.to_string().contains("password missing"), "{missing}");
    let nowhere = refused(at("postgres:s3cr%3At%40%2F%C3%BC", "nowhere")).await;
    assert_eq!((nowhere.class(), nowhere.kind()), (Class::Config, ErrorKind::NotFound), "{nowhere}");
    assert!(!format!("{nowhere:?}").contains("s3cr"), "{nowhere:?}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn options_of_the_session() {
    let server = server();
    server.psql("CREATE SCHEMA elsewhere; CREATE TABLE z (l timestamp)");
    let named = options(&server, "t")
        .set("application_name", "weather station")
        .set("options", "-c search_path=elsewhere -c timezone=Asia/Tokyo");
    let mut sink = open(&named).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weather station'"), "1");
    deliver(&mut sink, ids(0..1)).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM elsewhere.t"), "1");
    // A zone that was asked for is kept.
    let mut sink = open(&options(&server, "public.z").set("options", "-c timezone=Asia/Tokyo")).await.unwrap();
    deliver(&mut sink, batch([r#"{"l": "2024-01-02T00:00:00Z"}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT l FROM z"), "2024-01-02 09:00:00");
    sink.close().await.unwrap();
    assert!(!server.log().contains("unexpected EOF"), "{}", server.log());
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn the_first_server_that_takes_writes() {
    let (server, reader) =
        (server(), Postgres::start(PostgresOptions::default().setting("default_transaction_read_only", "on")));
    let hosts = format!("127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}", free_port(), reader.port(), server.port());
    let mut sink = open(&SqlOptions::new(format!("postgresql://postgres@{hosts}/postgres")).table("t")).await.unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM t"), "1");
    let away =
        refused(SqlOptions::new(format!("postgresql://postgres@127.0.0.1:{}/postgres", free_port())).table("t")).await;
    assert_eq!((away.class(), away.kind()), (Class::Transient, ErrorKind::Connection));
    assert!(away.to_string().contains("refused") && away.to_string().contains("127.0.0.1:"), "{away}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn unix_sockets() {
    let folder = super::common::Folder::new();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let directory = folder.path().to_str().unwrap();
    let server = Postgres::start(PostgresOptions::default().setting("unix_socket_directories", directory));
    let address = format!("postgresql://postgres@/postgres?host={directory}&port={}&sslmode=require", server.port());
    let mut sink = open(&SqlOptions::new(address).table("t")).await.unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM t"), "1");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn encryption() {
    let (certs, others) = (Certs::generate(), Certs::generate());
    let folder = super::common::Folder::new();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, other_ca) = (file("ca.pem", &certs.ca), file("other.pem", &others.ca));
    // The certificate does not name the second address.
    let listen = PostgresOptions::default().setting("listen_addresses", "127.0.0.1,127.0.0.2");
    let server = Postgres::start(listen.password("pw").tls(certs));
    let at = |host: &str, options: &str| {
        SqlOptions::new(format!("postgresql://postgres:pw@{host}:{}/postgres?table=t{options}", server.port()))
    };
    let used =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'lorry' AND ssl";
    for (host, options, encrypted) in [
        ("127.0.0.1", String::new(), "1"),
        ("127.0.0.1", "&sslmode=prefer".into(), "1"),
        ("127.0.0.1", "&sslmode=disable".into(), "0"),
        ("127.0.0.1", "&sslmode=require".into(), "1"),
        ("localhost", format!("&sslmode=verify-full&ca={ca}"), "1"),
        ("localhost", format!("&sslrootcert={ca}"), "1"),
        ("127.0.0.2", format!("&sslmode=verify-ca&ca={ca}"), "1"),
        ("127.0.0.2", format!("&sslmode=verify-full&ca={ca}&insecure=true"), "1"),
    ] {
        let mut sink = open(&at(host, &options)).await.unwrap_or_else(|error| panic!("{options}: {error}"));
        deliver(&mut sink, ids(0..1)).await.unwrap();
        assert_eq!(server.psql(used), encrypted, "{options}");
        sink.close().await.unwrap();
    }
    for (host, options) in [
        ("localhost", format!("&sslmode=verify-full&ca={other_ca}")),
        ("localhost", format!("&sslmode=verify-ca&ca={other_ca}")),
        ("localhost", format!("&sslmode=require&ca={other_ca}")),
        ("127.0.0.2", format!("&sslmode=verify-full&ca={ca}")),
    ] {
        let error = refused(at(host, &options)).await;
        assert_eq!(error.class(), Class::Config, "{options}: {error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    drop(server);

    let plain = super::server();
    let error = refused(self::options(&plain, "t").set("sslmode", "require")).await;
    assert!(error.class() == Class::Config && error.to_string().contains("does not support TLS"), "{error}");
    let mut sink = open(&self::options(&plain, "t")).await.unwrap();
    assert_eq!(deliver(&mut sink, ids(0..1)).await.map_err(|failures| failures.len()), Ok(()));
}

#[tokio::test]
async fn wrong_options_are_told_when_the_sink_is_opened() {
    for (address, word) in [
        ("postgresql://h/db?table=t&sslmod=require", "did you mean \"sslmode\""),
        ("postgresql://h/db", "a table is required"),
        ("postgresql://joe:s3cret@h:99999/db?table=t", "99999"),
    ] {
        let error = refused(SqlOptions::new(address)).await;
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(word) && !format!("{error:?}").contains("s3cret"), "{error}");
    }
    let sink = SqlSink::new(SqlOptions::new("postgresql://joe:s3cret@h/db?table=t"));
    assert!(!format!("{sink:?}").contains("s3cret"), "{sink:?}");
}
