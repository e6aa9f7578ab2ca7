//! A service of the user that keeps the bridge running: systemd's, or launchd's on macOS.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{home, not_written, shown};
use crate::error::CliError;
use crate::ui;

const SYSTEMD_NAME: &str = "share-bridge.service";
const LAUNCHD_NAME: &str = "org.share-sessions.bridge";

/// What runs, and where that is written down. It names no secret: the ref is in a file.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// In which it runs.
    pub(super) folder: PathBuf,
    /// The file that says so.
    pub(super) unit: PathBuf,
}

/// Where this system looks for services of the user.
///
/// # Errors
///
/// If there is no home folder.
pub(super) fn place(config_folder: &Path) -> Result<PathBuf, CliError> {
    if !cfg!(target_os = "macos") {
        return Ok(config_folder.join("systemd/user").join(SYSTEMD_NAME));
    }
    let home = home().ok_or_else(|| {
        CliError::usage("there is no home folder for the service").hint("set HOME")
    })?;
    let name = format!("{LAUNCHD_NAME}.plist");
    Ok(home.join("Library/LaunchAgents").join(name))
}

impl Service {
    /// What the file says.
    pub(super) fn text(&self) -> String {
        match cfg!(target_os = "macos") {
            true => self.launchd(),
            false => self.systemd(),
        }
    }

    /// Writes the file, if it does not say so already.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub(super) fn write(&self) -> Result<(), CliError> {
        let (unit, text) = (&self.unit, self.text());
        if std::fs::read_to_string(unit).is_ok_and(|found| found == text) {
            ui::note(format!("`{}` says so already", shown(unit)));
            return Ok(());
        }
        let folder = unit.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(unit, text))
            .map_err(|error| not_written(unit, error))?;
        ui::note(format!("wrote `{}`", shown(unit)));
        Ok(())
    }

    /// What starts it, now and at each login.
    pub(super) fn start_command(&self) -> String {
        match cfg!(target_os = "macos") {
            true => format!("launchctl load -w '{}'", shown(&self.unit)),
            false => format!(
                "systemctl --user daemon-reload && systemctl --user enable --now {SYSTEMD_NAME}"
            ),
        }
    }

    fn systemd(&self) -> String {
        let program = shown(&self.program);
        let words = std::iter::once(&program).chain(&self.arguments);
        let command: Vec<_> = words.map(|word| systemd_word(word)).collect();
        format!(
            "[Unit]\n\
             Description=Bridge between opencode and a share server\n\
             \n\
             [Service]\n\
             ExecStart={}\n\
             WorkingDirectory={}\n\
             Restart=always\n\
             RestartSec=2\n\
             UMask=0077\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            command.join(" "),
            shown(&self.folder).replace('%', "%%"),
        )
    }

    fn launchd(&self) -> String {
        let program = shown(&self.program);
        let mut words = String::new();
        for word in std::iter::once(&program).chain(&self.arguments) {
            // Writing to a text does not fail.
            let _ = writeln!(words, "        <string>{}</string>", xml_text(word));
        }
        let folder = xml_text(&shown(&self.folder));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n    \
             <key>Label</key>\n    <string>{LAUNCHD_NAME}</string>\n    \
             <key>ProgramArguments</key>\n    <array>\n{words}    </array>\n    \
             <key>WorkingDirectory</key>\n    <string>{folder}</string>\n    \
             <key>RunAtLoad</key>\n    <true/>\n    \
             <key>KeepAlive</key>\n    <true/>\n    \
             <key>Umask</key>\n    <integer>63</integer>\n\
             </dict>\n</plist>\n"
        )
    }
}

/// A word of a systemd command line: quoted, with nothing in it that systemd would replace.
fn systemd_word(word: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '%' | '$' => quoted.extend([letter, letter]),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

fn xml_text(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            program: "/opt/my tools/share".into(),
            arguments: vec![
                "bridge".into(),
                "--to".into(),
                "@/home/a$b/50%\"<&.ref".into(),
            ],
            folder: "/home/a/50%".into(),
            unit: "/home/a/unit".into(),
        }
    }

    #[test]
    fn systemd_is_told_each_word_as_it_is() {
        let text = service().systemd();
        let line = "ExecStart=\"/opt/my tools/share\" \"bridge\" \"--to\" \
                    \"@/home/a$$b/50%%\\\"<&.ref\"\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("WorkingDirectory=/home/a/50%%\n"), "{text}");
        assert!(text.contains("Restart=always\n"), "{text}");
    }

    #[test]
    fn launchd_is_told_each_word_as_it_is() {
        let text = service().launchd();
        assert!(
            text.contains("        <string>/opt/my tools/share</string>\n"),
            "{text}"
        );
        assert!(
            text.contains("<string>@/home/a$b/50%\"&lt;&amp;.ref</string>\n"),
            "{text}"
        );
        assert!(
            text.contains("<key>KeepAlive</key>\n    <true/>\n"),
            "{text}"
        );
    }
}
