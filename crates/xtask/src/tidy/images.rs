//! That the image and its compose file name only what exists: paths of the tree, commands and flags
//! of `share`, and its ports.

use std::collections::BTreeSet;

use yaml_rust2::{Yaml, YamlLoader};

use super::Violation;
use super::manifest::command_file;
use crate::rust::Source;
use crate::tree::{Tree, resolve};

const DOCKERFILE: &str = "docker/Dockerfile";
const COMPOSE: &str = "docker/compose.yaml";

/// The ports that `share serve` listens on unless told otherwise: for RPC, and for HTTP.
const PORTS: [&str; 2] = ["7420", "7421"];

/// Everything that [`DOCKERFILE`] and [`COMPOSE`] name exists.
pub(super) fn existing(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    match tree.text(DOCKERFILE) {
        Some(text) => dockerfile(tree, text, &mut violations),
        None => violations.push(Violation::new(
            DOCKERFILE,
            1,
            "the file is missing, write it",
        )),
    }
    match tree.text(COMPOSE).map(YamlLoader::load_from_str) {
        Some(Ok(documents)) => compose(tree, &documents, &mut violations),
        Some(Err(error)) => {
            let what = format!("no YAML, mend it: {error}");
            violations.push(Violation::new(COMPOSE, error.marker().line(), what));
        }
        None => violations.push(Violation::new(COMPOSE, 1, "the file is missing, write it")),
    }
    for port in PORTS {
        let listens = format!(":{port}");
        let mut cli = tree
            .texts(".rs")
            .filter(|(path, _)| path.starts_with("crates/cli/src/"));
        if !cli.any(|(_, text)| text.contains(&listens)) {
            let what =
                format!("`share serve` has no default address with port {port}, give it one");
            violations.push(Violation::new("crates/cli/src", 1, what));
        }
    }
    violations
}

/// An instruction of a Dockerfile, its continued lines joined.
struct Instruction {
    line: usize,
    name: String,
    rest: String,
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut is_continued = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.trim_end_matches('\\');
        match found.last_mut().filter(|_| is_continued) {
            Some(instruction) => instruction.rest.push_str(&format!(" {}", part.trim())),
            None => {
                let (name, rest) = part.split_once(' ').unwrap_or((part, ""));
                let (name, rest) = (name.to_uppercase(), rest.trim().to_owned());
                found.push(Instruction {
                    line: index + 1,
                    name,
                    rest,
                });
            }
        }
        is_continued = line.ends_with('\\');
    }
    found
}

fn dockerfile(tree: &Tree, text: &str, violations: &mut Vec<Violation>) {
    let instructions = instructions(text);
    let volumes: Vec<&str> = instructions
        .iter()
        .filter(|instruction| instruction.name == "VOLUME")
        .map(|instruction| instruction.rest.trim_matches(['[', ']', '"', ' ']))
        .collect();
    for Instruction { line, name, rest } in &instructions {
        let mut report = |what: String| violations.push(Violation::new(DOCKERFILE, *line, what));
        match name.as_str() {
            "COPY" | "ADD" => copied_wrongs(tree, rest).into_iter().for_each(report),
            "EXPOSE" => {
                let strange = rest.split_whitespace().find(|port| !PORTS.contains(port));
                if let Some(port) = strange {
                    let [rpc, http] = PORTS;
                    report(format!(
                        "the ports are {rpc} and {http}, not {port}, expose those"
                    ));
                }
            }
            "CMD" | "ENTRYPOINT" | "HEALTHCHECK" => {
                let json = rest.find('[').map_or("", |at| &rest[at..]);
                match serde_json::from_str::<Vec<String>>(json) {
                    Ok(words) => {
                        words_wrongs(tree, &words, &volumes)
                            .into_iter()
                            .for_each(report);
                    }
                    Err(_) => {
                        report("there is no shell in the image, write a list of words".to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// What is wrong with the sources of a `COPY` that does not take from another stage.
fn copied_wrongs(tree: &Tree, rest: &str) -> Vec<String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    if words.iter().any(|word| word.starts_with("--from=")) {
        return Vec::new();
    }
    let paths: Vec<&str> = words
        .into_iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let (_, sources) = paths.split_last().unwrap_or((&"", &[]));
    let missing = sources.iter().filter(|source| !tree.exists(source));
    missing
        .map(|source| format!("there is no `{source}` to copy, correct the path"))
        .collect()
}

/// What is wrong with a command line of `share`; its words may begin with the binary.
fn words_wrongs(tree: &Tree, words: &[String], volumes: &[&str]) -> Vec<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.split_first() {
        Some((&("/share" | "CMD"), rest)) => rest,
        _ => words.as_slice(),
    };
    let Some((command, arguments)) = words.split_first() else {
        return Vec::new();
    };
    let Some(file) = command_file(tree, command) else {
        return vec![format!(
            "there is no command `share {command}` in crates/cli/src, correct it"
        )];
    };
    let mut wrongs = Vec::new();
    let flags = long_flags(tree, file);
    for (index, argument) in arguments.iter().enumerate() {
        let Some(flag) = argument.strip_prefix("--") else {
            continue;
        };
        let (flag, value) = flag
            .split_once('=')
            .unwrap_or((flag, arguments.get(index + 1).unwrap_or(&"")));
        if !flags.contains(flag) {
            wrongs.push(format!(
                "`share {command}` has no flag `--{flag}`, correct it"
            ));
        }
        if flag == "data" && !volumes.is_empty() && !volumes.contains(&value) {
            wrongs.push(format!("`{value}` is no volume, declare it"));
        }
    }
    wrongs.extend(arguments.iter().filter_map(|argument| port_wrong(argument)));
    wrongs
}

/// The long flags that the file of a command gives it, and those below it.
fn long_flags(tree: &Tree, file: &str) -> BTreeSet<String> {
    let below = format!("{}/", file.trim_end_matches(".rs"));
    let texts = tree.texts(".rs");
    let of_command = texts.filter(|(path, _)| *path == file || path.starts_with(&below));
    let sources = of_command.filter_map(|(_, text)| Source::parse(text).ok());
    sources.flat_map(|source| source.long_flags()).collect()
}

/// What is wrong with the ports of `HOST:PORT[,HOST:PORT…]`, if it is such a thing at all; a compose
/// file may give it as the default of a variable.
fn port_wrong(address: &str) -> Option<String> {
    let wrong = address.split(',').find(|part| {
        let port = part
            .trim_end_matches('}')
            .rsplit(':')
            .next()
            .unwrap_or_default();
        let is_port =
            part.contains(':') && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        is_port && !PORTS.contains(&port)
    });
    let [rpc, http] = PORTS;
    wrong.map(|part| format!("the port in `{part}` is neither {rpc} nor {http}, correct it"))
}

fn compose(tree: &Tree, documents: &[Yaml], violations: &mut Vec<Violation>) {
    let mut report = |needle: &str, what: String| {
        violations.push(Violation::new(COMPOSE, tree.line_of(COMPOSE, needle), what));
    };
    let services = documents
        .first()
        .and_then(|document| document["services"].as_hash());
    let Some(services) = services.filter(|services| !services.is_empty()) else {
        report("services", "there are no services, add one".to_owned());
        return;
    };
    for service in services.values() {
        let build = &service["build"];
        let context = build["context"].as_str().or(build.as_str()).unwrap_or(".");
        let context = resolve("docker", context);
        let file = build["dockerfile"].as_str().unwrap_or("Dockerfile");
        let file = context.and_then(|context| resolve(&context, file));
        if !file.is_some_and(|file| tree.is_file(&file)) {
            report(
                "build",
                "the service is built from no Dockerfile, correct its paths".to_owned(),
            );
        }
        let command = texts(&service["command"]);
        let volumes = texts(&service["volumes"]);
        let mounts: Vec<&str> = volumes
            .iter()
            .filter_map(|volume| volume.split(':').nth(1))
            .collect();
        for what in words_wrongs(tree, &command, &mounts) {
            report("command", what);
        }
        for port in texts(&service["ports"]) {
            if !port
                .rsplit(':')
                .next()
                .is_some_and(|port| PORTS.contains(&port))
            {
                let [rpc, http] = PORTS;
                let what = format!("the server listens on {rpc} and {http}, map the port to those");
                report(&port, what);
            }
        }
    }
}

/// The texts of a YAML list.
fn texts(list: &Yaml) -> Vec<String> {
    let items = list.as_vec().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    const SERVE: &str = "struct Serve {\n#[arg(long)]\ndata: PathBuf,\n\
                         #[arg(long, default_value = \"127.0.0.1:7420\")]\nlisten: String }";
    const HTTP: &str =
        "struct Http {\n#[arg(long, default_value = \"127.0.0.1:7421\")]\nhttp: String }";
    const GOOD_DOCKERFILE: &str = "FROM rust AS build\nCOPY Cargo.toml \\\n    crates/ ./\nFROM scratch\n\
        COPY --from=build /out/share /share\nVOLUME [\"/data\"]\nEXPOSE 7420 7421\n\
        HEALTHCHECK --interval=5s CMD [\"/share\", \"health\"]\n\
        ENTRYPOINT [\"/share\"]\nCMD [\"serve\", \"--data\", \"/data\", \"--listen\", \"0.0.0.0:7420\", \"--http\", \"0.0.0.0:7421\"]\n";
    const GOOD_COMPOSE: &str = "services:\n  share:\n    build:\n      context: ..\n      dockerfile: docker/Dockerfile\n    \
        command: [serve, --data, /data]\n    ports: [\"7420:7420\"]\n    volumes: [\"share:/data\"]\n";

    fn found(dockerfile: &str, compose: &str) -> Vec<Violation> {
        existing(&Tree::of(&[
            ("Cargo.toml", ""),
            ("crates/cli/src/commands/serve.rs", SERVE),
            ("crates/cli/src/commands/serve/http.rs", HTTP),
            ("crates/cli/src/commands/health.rs", ""),
            (DOCKERFILE, dockerfile),
            (COMPOSE, compose),
        ]))
    }

    #[test]
    fn files_that_name_what_exists_pass() {
        assert_found(&found(GOOD_DOCKERFILE, GOOD_COMPOSE), &[]);
    }

    #[test]
    fn paths_flags_commands_ports_and_volumes_that_do_not_exist_are_found_in_the_dockerfile() {
        let bad = GOOD_DOCKERFILE
            .replace("crates/", "crats/")
            .replace("EXPOSE 7420", "EXPOSE 7422")
            .replace("health", "helth")
            .replace("--listen", "--lisen")
            .replace("0.0.0.0:7420", "0.0.0.0:7422")
            .replace("\"--data\", \"/data\"", "\"--data\", \"/date\"");
        assert_found(
            &found(&bad, GOOD_COMPOSE),
            &[
                (DOCKERFILE, 2, "no `crats/` to copy"),
                (DOCKERFILE, 7, "the ports are 7420 and 7421, not 7422"),
                (DOCKERFILE, 8, "no command `share helth`"),
                (DOCKERFILE, 10, "`/date` is no volume"),
                (DOCKERFILE, 10, "no flag `--lisen`"),
                (DOCKERFILE, 10, "the port in `0.0.0.0:7422`"),
            ],
        );
    }

    #[test]
    fn a_command_for_a_shell_is_found() {
        let bad = GOOD_DOCKERFILE.replace("ENTRYPOINT [\"/share\"]", "ENTRYPOINT /share");
        assert_found(
            &found(&bad, GOOD_COMPOSE),
            &[(DOCKERFILE, 9, "no shell in the image")],
        );
    }

    #[test]
    fn flags_ports_volumes_and_dockerfile_that_do_not_exist_are_found_in_compose() {
        let bad = GOOD_COMPOSE
            .replace("docker/Dockerfile", "Dockerfile")
            .replace("--data", "--date")
            .replace("7420:7420", "7420:7422");
        assert_found(
            &found(GOOD_DOCKERFILE, &bad),
            &[
                (COMPOSE, 3, "from no Dockerfile"),
                (COMPOSE, 6, "no flag `--date`"),
                (COMPOSE, 7, "map the port"),
            ],
        );
        let bad = GOOD_COMPOSE.replace("share:/data", "share:/var");
        assert_found(
            &found(GOOD_DOCKERFILE, &bad),
            &[(COMPOSE, 6, "`/data` is no volume")],
        );
        assert_found(&found(GOOD_DOCKERFILE, "a: ["), &[(COMPOSE, 2, "no YAML")]);
        assert_found(
            &found(GOOD_DOCKERFILE, "a: b"),
            &[(COMPOSE, 1, "no services")],
        );
    }

    #[test]
    fn a_port_that_the_server_does_not_listen_on_is_found() {
        let serve = SERVE.replace("7420", "7000");
        let tree = Tree::of(&[
            ("Cargo.toml", ""),
            ("crates/cli/src/serve.rs", serve.as_str()),
            ("crates/cli/src/serve/http.rs", HTTP),
            ("crates/cli/src/health.rs", ""),
            (DOCKERFILE, GOOD_DOCKERFILE),
            (COMPOSE, GOOD_COMPOSE),
        ]);
        assert_found(
            &existing(&tree),
            &[("crates/cli/src", 1, "no default address with port 7420")],
        );
    }
}
