//! The kinds of file that are taken: one table of media types and of the endings that fit. `sniff.rs` finds a
//! file's kind, `name.rs` fits its name to the kind, and nothing else is asked where the file is served.

/// A kind of file that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kinds name themselves")]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Webp,
    Avif,
    Heic,
    /// A HEIF photo in another coding than HEVC or AV1.
    Heif,
    Bmp,
    Tiff,
    Pdf,
    Text,
    Csv,
    Zip,
    Docx,
    Xlsx,
    Pptx,
    Odt,
    Ods,
    Odp,
    Odg,
    Doc,
    Xls,
    Ppt,
    /// An office file behind a password whose name does not say which one.
    Protected,
    Mp3,
    Ogg,
    Ogv,
    Wav,
    Aac,
    Flac,
    Amr,
    AmrWide,
    Mp4,
    M4a,
    Mov,
    ThreeGpp,
    ThreeGpp2,
    ThreeGppAudio,
    Webm,
    WebmAudio,
    Mkv,
    Mka,
}

/// The kinds that pages show: the only ones whose metadata goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raster {
    Png,
    Jpeg,
    Gif,
    Webp,
    Avif,
}

/// One container, so a file under any of these names is what it says: players tell them apart by what is inside.
const ISO_MEDIA: &[&str] = &[
    "mp4", "m4v", "mp4v", "mpg4", "m4a", "m4b", "m4r", "f4v", "f4a", "mov", "qt", "3gp", "3gpp", "3g2",
    "3ga", "ismv", "lrv",
];
/// The same of Matroska, of which WebM is a part.
const MATROSKA: &[&str] = &["webm", "weba", "mkv", "mka", "mks", "mk3d"];

impl Kind {
    pub(super) const ALL: [Self; 42] = [
        Self::Png,
        Self::Jpeg,
        Self::Gif,
        Self::Webp,
        Self::Avif,
        Self::Heic,
        Self::Heif,
        Self::Bmp,
        Self::Tiff,
        Self::Pdf,
        Self::Text,
        Self::Csv,
        Self::Zip,
        Self::Docx,
        Self::Xlsx,
        Self::Pptx,
        Self::Odt,
        Self::Ods,
        Self::Odp,
        Self::Odg,
        Self::Doc,
        Self::Xls,
        Self::Ppt,
        Self::Protected,
        Self::Mp3,
        Self::Ogg,
        Self::Ogv,
        Self::Wav,
        Self::Aac,
        Self::Flac,
        Self::Amr,
        Self::AmrWide,
        Self::Mp4,
        Self::M4a,
        Self::Mov,
        Self::ThreeGpp,
        Self::ThreeGpp2,
        Self::ThreeGppAudio,
        Self::Webm,
        Self::WebmAudio,
        Self::Mkv,
        Self::Mka,
    ];

    /// The kind with this media type.
    pub fn of_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    /// Its media type, as it is served. Macros, templates and shows are served as the plain file of their program.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
            Self::Heif => "image/heif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain",
            Self::Csv => "text/csv",
            Self::Zip => "application/zip",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Odp => "application/vnd.oasis.opendocument.presentation",
            Self::Odg => "application/vnd.oasis.opendocument.graphics",
            Self::Doc => "application/msword",
            Self::Xls => "application/vnd.ms-excel",
            Self::Ppt => "application/vnd.ms-powerpoint",
            Self::Protected => "application/x-ole-storage",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Ogv => "video/ogg",
            Self::Wav => "audio/wav",
            Self::Aac => "audio/aac",
            Self::Flac => "audio/flac",
            Self::Amr => "audio/amr",
            Self::AmrWide => "audio/amr-wb",
            Self::Mp4 => "video/mp4",
            Self::M4a => "audio/mp4",
            Self::Mov => "video/quicktime",
            Self::ThreeGpp => "video/3gpp",
            Self::ThreeGpp2 => "video/3gpp2",
            Self::ThreeGppAudio => "audio/3gpp",
            Self::Webm => "video/webm",
            Self::WebmAudio => "audio/webm",
            Self::Mkv => "video/x-matroska",
            Self::Mka => "audio/x-matroska",
        }
    }

    /// What a file of this kind is called when its name does not say.
    pub(super) fn usual_ending(self) -> &'static str {
        match self {
            Self::M4a => "m4a",
            Self::Mov => "mov",
            Self::ThreeGpp | Self::ThreeGppAudio => "3gp",
            Self::ThreeGpp2 => "3g2",
            Self::WebmAudio => "weba",
            Self::Mkv => "mkv",
            Self::Mka => "mka",
            Self::Ogv => "ogv",
            Self::AmrWide => "awb",
            Self::Heif => "heif",
            Self::Png
            | Self::Jpeg
            | Self::Gif
            | Self::Webp
            | Self::Avif
            | Self::Heic
            | Self::Bmp
            | Self::Tiff
            | Self::Pdf
            | Self::Text
            | Self::Csv
            | Self::Zip
            | Self::Docx
            | Self::Xlsx
            | Self::Pptx
            | Self::Odt
            | Self::Ods
            | Self::Odp
            | Self::Odg
            | Self::Doc
            | Self::Xls
            | Self::Ppt
            | Self::Protected
            | Self::Mp3
            | Self::Ogg
            | Self::Wav
            | Self::Aac
            | Self::Flac
            | Self::Amr
            | Self::Mp4
            | Self::Webm => self.endings()[0],
        }
    }

    /// The endings that belong to its container, in lower case. Text takes any other that nothing runs as well.
    pub(super) fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png", "apng"],
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "pjpeg", "pjp", "mpo"],
            Self::Gif => &["gif"],
            Self::Webp => &["webp"],
            Self::Avif => &["avif", "avifs", "heif", "hif"],
            Self::Heic | Self::Heif => &["heic", "heics", "heif", "heifs", "hif", "avci"],
            Self::Bmp => &["bmp", "dib"],
            // Cameras' raw pictures are TIFF inside.
            Self::Tiff => &["tif", "tiff", "dng", "nef", "arw", "cr2", "pef", "srw"],
            Self::Pdf => &["pdf", "ai"],
            Self::Text => &["txt"],
            Self::Csv => &["csv"],
            // What is a zip by another name, holds data, and nothing runs.
            Self::Zip => &[
                "zip", "zipx", "epub", "cbz", "kmz", "xps", "oxps", "pages", "numbers", "key", "odc", "odf",
                "odi", "odb", "vsdx", "vsdm", "vstx", "vssx", "3mf", "usdz", "ora", "kra", "sketch", "xmind",
                "mscz", "apkg", "ggb", "idml", "pkpass", "bcf", "ifczip", "sb3", "fig",
            ],
            Self::Docx => &["docx", "docm", "dotx", "dotm"],
            Self::Xlsx => &["xlsx", "xlsm", "xltx", "xltm", "xlsb", "xlam"],
            Self::Pptx => &["pptx", "pptm", "potx", "potm", "ppsx", "ppsm", "ppam", "sldx", "sldm", "thmx"],
            Self::Odt => &["odt", "ott", "odm", "otm", "oth"],
            Self::Ods => &["ods", "ots"],
            Self::Odp => &["odp", "otp"],
            Self::Odg => &["odg", "otg"],
            Self::Doc => &["doc", "dot", "wbk"],
            Self::Xls => &["xls", "xlt", "xlm", "xla", "xlw"],
            Self::Ppt => &["ppt", "pot", "pps", "ppa"],
            Self::Protected => &["cfb"],
            Self::Mp3 => &["mp3", "mpga", "mpeg"],
            Self::Ogg | Self::Ogv => &["ogg", "oga", "opus", "ogv", "ogx", "ogm", "spx"],
            Self::Wav => &["wav", "wave", "bwf", "rf64"],
            Self::Aac => &["aac", "adts"],
            Self::Flac => &["flac", "fla"],
            Self::Amr | Self::AmrWide => &["amr", "awb", "3ga"],
            Self::Mp4 | Self::M4a | Self::Mov | Self::ThreeGpp | Self::ThreeGpp2 | Self::ThreeGppAudio => {
                ISO_MEDIA
            }
            Self::Webm | Self::WebmAudio | Self::Mkv | Self::Mka => MATROSKA,
        }
    }

    /// What of it a page can show. None of a kind that is a download only.
    pub(super) fn raster(self) -> Option<Raster> {
        match self {
            Self::Png => Some(Raster::Png),
            Self::Jpeg => Some(Raster::Jpeg),
            Self::Gif => Some(Raster::Gif),
            Self::Webp => Some(Raster::Webp),
            Self::Avif => Some(Raster::Avif),
            Self::Heic
            | Self::Heif
            | Self::Bmp
            | Self::Tiff
            | Self::Pdf
            | Self::Text
            | Self::Csv
            | Self::Zip
            | Self::Docx
            | Self::Xlsx
            | Self::Pptx
            | Self::Odt
            | Self::Ods
            | Self::Odp
            | Self::Odg
            | Self::Doc
            | Self::Xls
            | Self::Ppt
            | Self::Protected
            | Self::Mp3
            | Self::Ogg
            | Self::Ogv
            | Self::Wav
            | Self::Aac
            | Self::Flac
            | Self::Amr
            | Self::AmrWide
            | Self::Mp4
            | Self::M4a
            | Self::Mov
            | Self::ThreeGpp
            | Self::ThreeGpp2
            | Self::ThreeGppAudio
            | Self::Webm
            | Self::WebmAudio
            | Self::Mkv
            | Self::Mka => None,
        }
    }

    /// Raster images alone may be shown in a page; everything else is a download.
    pub fn shown_inline(self) -> bool {
        self.raster().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_found_by_its_media_type() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_mime(kind.mime()), Some(kind));
            assert!(kind.endings().contains(&kind.usual_ending()), "{kind:?}");
        }
        let kinds: BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::mime).collect();
        assert_eq!(kinds.len(), Kind::ALL.len());
        assert_eq!(Kind::of_mime("image/svg+xml"), None);
        let shown: Vec<&str> =
            Kind::ALL.into_iter().filter(|kind| kind.shown_inline()).map(Kind::mime).collect();
        assert_eq!(shown, ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
    }
}
