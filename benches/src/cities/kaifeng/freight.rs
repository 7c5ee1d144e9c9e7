//! The closed loop of lorries in Kaifeng (S4: articles 1.2, 2.2 and 2.3, question 05).

use serde_json::{Value, json};

use super::LONGTING;
use super::registering::register;
use crate::cities::api::{Answer, Api, Caller, list, with};
use crate::cities::door::text;
use crate::cities::office::{Office, Venue};
use crate::cities::people::{Known, ago, time};
use crate::cities::sheet::Sheet;

/// A lorry with its driver.
struct Crew<'a> {
    api: &'a Api,
    driver: Known,
    plate: &'static str,
}

pub(super) async fn freight(office: &Office<'_>, sheet: &mut Sheet) -> anyhow::Result<()> {
    let api = office.api;
    let place = |category: &str, name: &str| office.form(category, name, "连霍高速");
    let [checkpoint, other, destination]: [Venue; 3] = office
        .issue_all(vec![
            place("freight_checkpoint", "连霍高速开封站"),
            place("freight_checkpoint", "连霍高速兰考站"),
            place("freight_destination", "开封物流园"),
        ])
        .await?
        .try_into()
        .map_err(|_| anyhow::anyhow!("not three places"))?;
    at_the_checkpoint(office, &checkpoint, sheet).await;
    closed_loop(api, (&checkpoint, &destination), sheet).await;
    held_up(api, (&other, &destination), sheet).await;
    Ok(())
}

async fn at_the_checkpoint(office: &Office<'_>, checkpoint: &Venue, sheet: &mut Sheet) {
    let (api, operator) = (office.api, office.operator());
    let words = ["专属场所码", "电子通行证"];
    let promise = "the poster says that it is the freight code, and asks for the pass";
    sheet
        .rule("freight-poster", "S4 2.2", promise, &words.join(", "), api.words_on(&operator, checkpoint, &words))
        .await;

    let found = async {
        let driver = Caller::citizen(api.tested("green").await?.key);
        // 开封站
        let path = "/v1/checkpoints?name=%E5%BC%80%E5%B0%81%E7%AB%99";
        let listed = api.soon(&driver, path, |list| list["checkpoints"][0]["code"].is_string()).await?;
        Ok(text(&listed, "/checkpoints/0/code")?.to_owned())
    };
    let promise = "crews look a checkpoint up, and its code";
    sheet.rule("checkpoints", "S4 2.2", promise, &checkpoint.code, found).await;

    let found = async {
        let crew = Crew { api, driver: api.tested("green").await?, plate: "豫B10001" };
        let first = crew.scan(checkpoint, &json!({"last_four": null})).await?;
        let asked = format!("{} {}", first.verdict(), first.json["form"].as_str().unwrap_or("no form"));
        crew.register().await?;
        Ok(format!("{asked}; {}", crew.scan(checkpoint, &json!({})).await?.verdict()))
    };
    let promise = "crews fill in the freight form, and pass with the last four later";
    let expected = "409 registration-required freight; admit";
    sheet.rule("freight-scan", "S4 2.2, 05", promise, expected, found).await;

    let found = async {
        let crew = Crew::registered(api, "green", "豫B10002").await?;
        let mut verdicts = Vec::new();
        for plate in [Value::Null, json!("豫I10002"), json!("豫B10002")] {
            verdicts.push(crew.scan(checkpoint, &json!({"plate": plate})).await?.verdict());
        }
        Ok(list(verdicts))
    };
    let promise = "the plate is asked for as well, and checked (GA 36)";
    let expected = "422 missing-field plate, 422 invalid-field plate, admit";
    sheet.rule("plate", "S4 05", promise, expected, found).await;
}

async fn closed_loop(api: &Api, (checkpoint, destination): (&Venue, &Venue), sheet: &mut Sheet) {
    let found = async {
        let crew = Crew::registered(api, "green", "豫B10003").await?;
        let path = crew.declare(checkpoint, destination).await?;
        let mut steps = vec![crew.state(&path, "declared").await?];
        for (venue, state) in [(checkpoint, "entered"), (destination, "closed")] {
            steps.push(crew.scan(venue, &json!({})).await?.verdict());
            steps.push(crew.state(&path, state).await?);
        }
        Ok(list(steps))
    };
    let promise = "a trip is declared in advance, entered at the checkpoint, and closed at the destination";
    let expected = "declared, admit, entered, admit, closed";
    sheet.rule("closed-loop", "S4 2.2", promise, expected, found).await;

    let found = async {
        let crew = Crew::registered(api, "green", "豫B10004").await?;
        let path = crew.declare(checkpoint, destination).await?;
        crew.state(&path, "declared").await?;
        let answer = crew.scan(destination, &json!({})).await?.ok()?;
        Ok(format!("{}, {}", text(&answer, "/trip/outcome")?, text(&answer, "/trip/state")?))
    };
    let promise = "a destination without a checkpoint before it closes nothing (our reading)";
    sheet.rule("in-order", "S4 2.2", promise, "not_entered, declared", found).await;
}

async fn held_up(api: &Api, (checkpoint, destination): (&Venue, &Venue), sheet: &mut Sheet) {
    let found = async {
        let crew = Crew::registered(api, "red", "豫B10005").await?;
        let path = crew.declare(checkpoint, destination).await?;
        crew.state(&path, "declared").await?;
        let answer = crew.scan(checkpoint, &json!({})).await?;
        let alert = api.alerts_at(LONGTING, checkpoint, 1).await?.swap_remove(0);
        let (crew, lorry) = (answer.verdict(), text(&answer.json, "/trip/vehicle")?.to_owned());
        let told = if alert["vehicle"].is_string() { "crew and lorry" } else { "the crew" };
        Ok(format!("crew {crew}, lorry {lorry}; {} of {told}", text(&alert, "/kind")?))
    };
    let promise = "with an abnormal code neither crew nor lorry passes, and the district is told of both";
    let expected = "crew refuse colour_red, lorry refuse; abnormal_colour of crew and lorry";
    sheet.rule("freight-alert", "S4 2.3", promise, expected, found).await;

    let found = async {
        let crew = Crew::registered(api, "green", "豫B10006").await?;
        let answer = crew.scan(checkpoint, &json!({})).await?.ok()?;
        let alerts = api.alerts_at(LONGTING, checkpoint, 2).await?;
        let told = alerts.iter().filter(|alert| alert["kind"] == "undeclared_trip").count();
        Ok(format!("{}, {told} alert", text(&answer, "/trip/outcome")?))
    };
    let promise = "who comes without a declared trip is before the district";
    sheet.rule("undeclared", "S4 2.2", promise, "undeclared, 1 alert", found).await;
}

impl<'a> Crew<'a> {
    /// A driver with a code of this colour, who has filled in the freight form.
    async fn registered(api: &'a Api, colour: &str, plate: &'static str) -> anyhow::Result<Self> {
        let crew = Self { api, driver: api.tested(colour).await?, plate };
        crew.register().await?;
        Ok(crew)
    }

    async fn register(&self) -> anyhow::Result<Value> {
        register(self.api, &self.driver, "freight", &self.form()).await
    }

    fn form(&self) -> Value {
        json!({"name": "李刚", "document": self.driver.person.document(), "plate": self.plate, "phone": "13800000000",
            "origin": "山东菏泽", "entry_point": "兰考", "expected_return": time(ago(-24 * 60)),
            "expected_leave": time(ago(-48 * 60)), "fever_cough": false, "risk_area": false})
    }

    /// Declares a trip with the driver's own phone, and gives where it can be followed.
    async fn declare(&self, checkpoint: &Venue, destination: &Venue) -> anyhow::Result<String> {
        let trip = json!({"answers": self.form(), "checkpoint": checkpoint.number, "destination": destination.number});
        let answer = self.api.post(&Caller::citizen(self.driver.key), "/v1/trips", &trip).await?.ok()?;
        Ok(text(&answer, "/follow")?.to_owned())
    }

    /// The state of a trip as its driver sees it, once it is this one.
    async fn state(&self, path: &str, state: &str) -> anyhow::Result<String> {
        let driver = Caller::citizen(self.driver.key);
        let trip = self.api.soon(&driver, path, |trip| trip["state"] == state).await?;
        Ok(text(&trip, "/state")?.to_owned())
    }

    /// Scans a freight code with the driver's own phone.
    async fn scan(&self, venue: &Venue, more: &Value) -> anyhow::Result<Answer> {
        let scan = json!({"last_four": self.driver.person.last_four(), "plate": self.plate});
        self.api.scan_own(venue, &self.driver, with(&scan, more)).await
    }
}
