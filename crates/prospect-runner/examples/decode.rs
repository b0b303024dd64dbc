//! Writes the frames of a video as PNG files, in the form in which a stream gets them:
//! `decode VIDEO FOLDER [FPS]`.

use std::path::Path;

use prospect_source::SourceOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (video, folder, fps) = match arguments.as_slice() {
        [video, folder] => (video, folder, 2.0),
        [video, folder, fps] => (video, folder, fps.parse()?),
        _ => return Err("expected VIDEO FOLDER [FPS]".into()),
    };
    std::fs::create_dir_all(folder)?;
    let mut source = prospect_source::open(video, SourceOptions::at(fps))?;
    while let Some(frame) = source.next_frame() {
        let frame = frame?;
        frame.image.save(Path::new(folder).join(format!("{:05}.png", frame.index)))?;
    }
    Ok(())
}
