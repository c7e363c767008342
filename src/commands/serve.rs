//! `onedispatch serve`: the page on this machine, with the headers that give it a fine clock.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::output;
use crate::web::serve::{listen, serve};

#[derive(clap::Args)]
pub struct Args {
    /// A page as `onedispatch web` makes it
    #[arg(default_value = "web/dist", value_name = "DIR")]
    root: PathBuf,
    /// 0 for any free one
    #[arg(long, default_value_t = 8080, value_name = "N")]
    port: u16,
}

pub fn run(args: Args) -> Result<()> {
    if !args.root.join("index.html").is_file() {
        let root = args.root.display();
        return Err(Error::input(format!("{root}: there is no index.html; make the page with `onedispatch web`")));
    }
    let listener = listen(args.port)?;
    let port = listener.local_addr().map_or(args.port, |address| address.port());
    output::line(format_args!("http://localhost:{port}/"))?;
    serve(&listener, &args.root)
}
