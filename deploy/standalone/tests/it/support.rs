//! Starting `venuecode` and looking at what it started.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A `venuecode` process that a test has started; ends with its engines when the test is done with it.
pub struct Venuecode {
    process: std::process::Child,
}

impl Venuecode {
    /// Starts `venuecode exec --data DATA`, whose command prints the environment it got and then waits.
    pub fn exec_and_wait(data: &Path) -> anyhow::Result<(Self, Environment)> {
        let mut process = command()
            .args(["exec", "--data"])
            .arg(data)
            .args(["--", "sh", "-c", "env; echo; exec cat"])
            .stdin(Stdio::piped()) // `cat` ends with it, even when `venuecode` was killed.
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = process.stdout.take().context("no standard output")?;
        let mut text = String::new();
        let mut byte = [0_u8; 1];
        while !text.ends_with("\n\n") {
            if stdout.read(&mut byte)? == 0 {
                bail!("venuecode exec ended: {:?}; it had printed {text}", process.wait()?);
            }
            text.push(char::from(byte[0]));
        }
        Ok((Self { process }, Environment { text }))
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Venuecode {
    fn drop(&mut self) {
        // Closes its standard input, which ends the command, which stops the engines.
        let _ = self.process.wait();
    }
}

/// A `venuecode` command without what the surrounding `venuecode exec` may have exported.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_venuecode"));
    for name in benches::stack::variables_of_others() {
        command.env_remove(name);
    }
    command
}

/// What `env` printed.
pub struct Environment {
    text: String,
}

impl Environment {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> anyhow::Result<&str> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .with_context(|| format!("{name} is not exported"))
    }

    /// Runs one statement on ClickHouse as `user` (`CLICKHOUSE` or `QUERY`) and gives status line and answer.
    pub fn sql(&self, user: &str, statement: &str) -> anyhow::Result<(String, String)> {
        let address = self.get("VENUECODE_CLICKHOUSE_URL")?.trim_start_matches("http://").to_owned();
        let name = self.get(&format!("VENUECODE_{user}_USER"))?;
        let password = self.get(&format!("VENUECODE_{user}_PASSWORD"))?;
        sql(&address, (name, password), statement)
    }

    /// Like [`Self::sql`] as admin, and any error is one.
    pub fn admin(&self, statement: &str) -> anyhow::Result<String> {
        let (status, body) = self.sql("CLICKHOUSE", statement)?;
        if status != "200" {
            bail!("{statement}: {status} {body}");
        }
        Ok(body)
    }
}

/// Runs one statement on the ClickHouse at an address as a user with a password, and gives status and answer.
pub fn sql(address: &str, (name, password): (&str, &str), statement: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST / HTTP/1.0\r\nHost: {address}\r\nX-ClickHouse-User: {name}\r\nX-ClickHouse-Key: {password}\r\n\
         Content-Length: {}\r\n\r\n{statement}",
        statement.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok((status, body.trim().to_owned()))
}

/// The process id that `DATA/run/NAME.pid` has, once it is there and, if given, differs from `old`.
pub fn pid(data: &Path, name: &str, old: Option<Pid>) -> anyhow::Result<Pid> {
    let file = data.join("run").join(format!("{name}.pid"));
    eventually(&format!("a new {}", file.display()), || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.trim().parse().ok().and_then(Pid::from_raw).filter(|pid| Some(*pid) != old)
    })
}

/// Sends SIGKILL to one process.
pub fn kill(pid: Pid) -> anyhow::Result<()> {
    kill_process(pid, Signal::KILL).context("cannot kill")
}

/// Whether the process is there and not just waiting to be reaped by whoever is left.
pub fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Tries until there is a value, for so long that only what never comes is given up, on however busy a machine.
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    eventually_within(Duration::from_secs(120), what, attempt)
}

/// Tries until there is a value.
pub fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("waited {} s for {what}", patience.as_secs())
}

/// Sends `GET target` and gives the whole answer, status line first.
pub fn http_get(address: &str, target: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Sends one request with a token and a JSON body, or lines of it to a batch route, and gives the status and the answer's body.
pub fn http_send(
    address: &str,
    token: &str,
    (method, target): (&str, &str),
    body: &str,
) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    let is_batch = target.ends_with(":batch") || target.ends_with("/release");
    let media_type = if is_batch { "application/x-ndjson" } else { "application/json" };
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nAuthorization: Bearer {token}\r\nContent-Type: {media_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok((head.split(' ').nth(1).unwrap_or_default().to_owned(), body.to_owned()))
}
