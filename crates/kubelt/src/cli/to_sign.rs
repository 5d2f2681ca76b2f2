//! What programs asked a core's wallet to sign: said in words, and signed.
//!
//! Both are made here from the parameters of the call. What the node says of them is not needed.

use anyhow::{Context as _, Result, bail, ensure};
use kubelt_api::WalletRequestView;
use kubelt_core::{eip712, signature::eip191_hash};
use serde_json::Value;

use crate::keystore::Wallet;
use crate::output::short_time;

/// What a program asks for.
enum Asked {
    Message(Vec<u8>),
    TypedData(Value),
    Transaction(Value),
}

impl Asked {
    fn read(request: &WalletRequestView) -> Result<Self> {
        let params = &request.params;
        Ok(match request.method.as_str() {
            "personal_sign" => {
                let message = params[0].as_str().context("the request holds no message")?;
                // As wallets read it: hex where it is hex.
                let hex = message.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
                Self::Message(hex.unwrap_or_else(|| message.as_bytes().to_vec()))
            }
            "eth_signTypedData_v4" => Self::TypedData(match &params[1] {
                Value::String(text) => {
                    serde_json::from_str(text).context("the request holds no typed data")?
                }
                data => data.clone(),
            }),
            "eth_sendTransaction" => Self::Transaction(params[0].clone()),
            other => bail!("this version knows no `{}`; answer it with another wallet", other.escape_debug()),
        })
    }

    fn words(&self) -> String {
        match self {
            Self::Message(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => format!("sign the message\n{}", indented(text)),
                Err(_no_text) => format!("sign {} bytes\n    0x{}", bytes.len(), hex::encode(bytes)),
            },
            Self::TypedData(data) => {
                let kind = data["primaryType"].as_str().unwrap_or_default().escape_debug().to_string();
                let part = |what: &str| format!("{what}: {:#}", data[what]);
                format!(
                    "sign typed data, `{kind}`\n{}",
                    indented(&[part("domain"), part("message")].join("\n"))
                )
            }
            Self::Transaction(transaction) => {
                let member =
                    |name: &str| transaction[name].as_str().map(|text| text.escape_debug().to_string());
                let to = member("to").unwrap_or_else(|| "(a new contract)".to_owned());
                let value = member("value").unwrap_or_else(|| "0x0".to_owned());
                let data = member("data").or_else(|| member("input")).unwrap_or_else(|| "0x".to_owned());
                format!("send a transaction to {to}\n    value: {value} wei\n    data: {data}")
            }
        }
    }
}

/// A request in words.
pub(super) fn said(request: &WalletRequestView) -> String {
    let words = Asked::read(request).map_or_else(|error| format!("{error:#}"), |asked| asked.words());
    let (account, until) = (request.account.escape_debug(), short_time(&request.expires));
    format!("{words}\n  a program asks {account} for it; until {until}")
}

/// What a wallet answers; what is to be sent has to be sent by another one.
pub(super) fn answer(request: &WalletRequestView, wallet: &Wallet) -> Result<String> {
    let own = wallet.account().to_string();
    ensure!(
        own == request.account,
        "`{}` is asked for, and this wallet is `{own}`; choose another with `--wallet`, or bring the answer with `--result`",
        request.account.escape_debug()
    );
    let digest = match Asked::read(request)? {
        Asked::Message(bytes) => eip191_hash(&bytes),
        Asked::TypedData(data) => eip712::digest(&data)?,
        Asked::Transaction(_) => bail!(
            "transactions are not sent from here: send it with the account's own wallet, and bring its hash with `--result 0x…`"
        ),
    };
    Ok(format!("0x{}", hex::encode(wallet.sign_digest(&digest))))
}

/// Each line on its own, with nothing that a terminal would obey.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {}", line.escape_debug())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use kubelt_api::WalletRequestView;
    use serde_json::{Value, json};

    use super::{answer, said};
    use crate::keystore::Wallet;

    fn request(method: &str, params: Value) -> WalletRequestView {
        let account = wallet().account().to_string();
        let expires = "2027-01-02T03:04:05Z".to_owned();
        WalletRequestView {
            id: "ab".to_owned(),
            account,
            method: method.to_owned(),
            params,
            expires,
            safe: None,
        }
    }

    fn wallet() -> Wallet {
        "07".repeat(32).parse().expect("a key")
    }

    #[track_caller]
    fn check(method: &str, params: Value, words: &str) {
        let said = said(&request(method, params));
        assert!(said.starts_with(words), "{said}");
    }

    #[test]
    fn what_is_asked_for_is_said_and_obeys_no_terminal() {
        check("personal_sign", json!(["0x68690a1b5b", "0x"]), "sign the message\n    hi\n    \\u{1b}[\n");
        check("personal_sign", json!(["hi", "0x"]), "sign the message\n    hi\n");
        check("personal_sign", json!(["0xff", "0x"]), "sign 1 bytes\n    0xff\n");
        let data = json!({"primaryType": "Mail", "domain": {}, "message": {"to": "Ann"}});
        let words =
            "sign typed data, `Mail`\n    domain: {}\n    message: {\n      \\\"to\\\": \\\"Ann\\\"\n    }\n";
        check("eth_signTypedData_v4", json!(["0x", data.to_string()]), words);
        let words = "send a transaction to 0xAA\n    value: 0x1 wei\n    data: 0x12\n";
        check("eth_sendTransaction", json!([{"to": "0xAA", "value": "0x1", "data": "0x12"}]), words);
        check("eth_sign", json!([]), "this version knows no `eth_sign`");
    }

    #[test]
    fn a_wallet_signs_for_itself_alone_and_sends_nothing() {
        let asked = request("personal_sign", json!(["hi", "0x"]));
        let signed = answer(&asked, &wallet()).expect("is signed");
        assert_eq!(signed, format!("0x{}", hex::encode(wallet().sign_personal(b"hi"))));
        let other: Wallet = "08".repeat(32).parse().expect("a key");
        assert!(answer(&asked, &other).expect_err("is not asked").to_string().contains("--wallet"));
        let sending = answer(&request("eth_sendTransaction", json!([{}])), &wallet());
        assert!(sending.expect_err("is not sent").to_string().contains("--result"));
    }
}
