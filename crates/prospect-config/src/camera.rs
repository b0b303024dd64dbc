//! `[[camera]]`: the cameras of a server. They may be in the same file as the settings, but are not settings
//! of a stream: a run ignores them, and a trace does not have them.

use toml::{Table, Value};

use crate::error::SettingsError;
use crate::origin::Origin;

/// The name of the tables in a file.
pub(crate) const TABLE: &str = "camera";

/// One camera of a server.
#[derive(Clone, PartialEq)]
pub struct CameraSettings {
    /// The name by which sessions refer to the camera.
    pub name: String,
    /// The address of the camera. It may hold a password, which `Debug` does not show.
    pub source: String,
    /// Whether a session with this camera begins when the server starts.
    pub watch: bool,
    /// The keys of the request that opens that session. The server checks them.
    pub order: Table,
}

impl std::fmt::Debug for CameraSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, source: _, watch, order } = self;
        f.debug_struct("CameraSettings")
            .field("name", name)
            .field("watch", watch)
            .field("order", order)
            .finish_non_exhaustive()
    }
}

/// Removes the cameras from the tables of a file and returns them.
///
/// # Errors
/// [`SettingsError::CamerasNotTables`], [`SettingsError::Camera`].
pub(crate) fn taken(table: &mut Table, origin: &Origin) -> Result<Vec<CameraSettings>, SettingsError> {
    let no_tables = || SettingsError::CamerasNotTables { origin: origin.clone() };
    match table.remove(TABLE) {
        None => Ok(Vec::new()),
        Some(Value::Array(cameras)) => {
            let one = |(number, camera)| match camera {
                Value::Table(camera) => read(number, camera, origin),
                _ => Err(no_tables()),
            };
            (1..).zip(cameras).map(one).collect()
        }
        Some(_) => Err(no_tables()),
    }
}

fn read(number: usize, mut camera: Table, origin: &Origin) -> Result<CameraSettings, SettingsError> {
    let refused = |key: &'static str, expected: &'static str| SettingsError::Camera {
        origin: origin.clone(),
        number,
        key,
        expected,
    };
    let mut text = |key: &'static str| match camera.remove(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
        _ => Err(refused(key, "a string that is not empty")),
    };
    let (name, source) = (text("name")?, text("source")?);
    let watch = match camera.remove("watch") {
        None => false,
        Some(Value::Boolean(watch)) => watch,
        Some(_) => return Err(refused("watch", "true or false")),
    };
    Ok(CameraSettings { name, source, watch, order: camera })
}

/// Writes cameras as TOML. `shown` gives the text that is written for a source.
pub(crate) fn to_toml(cameras: &[CameraSettings], shown: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for CameraSettings { name, source, watch, order } in cameras {
        let string = |text: &str| Value::String(text.to_owned());
        let (name, source) = (string(name), string(&shown(source)));
        text.push_str(&format!("\n[[{TABLE}]]\nname = {name}\nsource = {source}\nwatch = {watch}\n"));
        for (key, value) in order {
            let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            let key = if key.chars().all(is_bare) { key.clone() } else { string(key).to_string() };
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::layers::Layers;

    const FILE: &str = "[stream]\nfps = 1\n[[camera]]\nname = \"door\"\nsource = \"rtsp://u:p@door/1\"\nwatch = true\n\
                        talk = \"every\"\nsettings = { \"stream.every.seconds\" = 5 }\n[[camera]]\nname = \"yard\"\nsource = \"/dev/video0\"\n";

    fn layers(text: &str) -> Result<Layers, String> {
        Layers::new().file_text(Path::new("serve.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn cameras_stand_beside_the_settings() {
        let layers = layers(FILE).unwrap();
        let [door, yard] = layers.cameras() else { panic!("{:?}", layers.cameras()) };
        assert_eq!(
            (door.name.as_str(), door.source.as_str(), door.watch),
            ("door", "rtsp://u:p@door/1", true)
        );
        assert_eq!(door.order["talk"].as_str(), Some("every"));
        assert_eq!((yard.watch, yard.order.len()), (false, 0));
        assert!(!format!("{layers:?}").contains("u:p"));
        let printed = layers.cameras_to_toml(|source| source.replace("u:p", "***"));
        assert!(printed.contains("source = \"rtsp://***@door/1\"") && !printed.contains("u:p"), "{printed}");
        let again = self::layers(&printed.replace("***", "u:p")).unwrap();
        assert_eq!(again.cameras(), layers.cameras());
        let settings = layers.resolve().unwrap();
        assert_eq!(settings.stream.fps, 1.0);
        assert!(!settings.to_toml().contains("camera"));
    }

    #[test]
    fn what_is_no_camera_is_refused_without_its_address() {
        for (text, expected) in [
            ("camera = 3", "serve.toml: camera: expected tables, [[camera]]"),
            ("[camera]\nname = \"door\"", "serve.toml: camera: expected tables, [[camera]]"),
            ("camera = [3]", "serve.toml: camera: expected tables, [[camera]]"),
            (
                "[[camera]]\nsource = \"rtsp://u:p@x\"",
                "serve.toml: [[camera]] 1: name: expected a string that is not empty",
            ),
            (
                "[[camera]]\nname = \"a\"\nsource = 3",
                "serve.toml: [[camera]] 1: source: expected a string that is not empty",
            ),
            (
                "[[camera]]\nname = \"a\"\nsource = \"/a\"\n[[camera]]\nname = \"b\"\nsource = \"/b\"\nwatch = \"yes\"",
                "serve.toml: [[camera]] 2: watch: expected true or false",
            ),
        ] {
            assert_eq!(layers(text).unwrap_err(), expected);
        }
        assert!(Layers::new().set("camera=1").unwrap_err().to_string().contains("unknown key camera"));
    }
}
