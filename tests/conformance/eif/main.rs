//! AWS's own EIF tools as a command, for the tests. What it finds goes to stdout as JSON; the exit code is 0 only
//! when AWS's checks hold.
//!
//!     eif-oracle build KERNEL CMDLINE OUTPUT [--sign CERTIFICATE KEY] RAMDISK...
//!     eif-oracle verify IMAGE
use aws_nitro_enclaves_image_format::defs::{EifBuildInfo, EifIdentityInfo};
use aws_nitro_enclaves_image_format::utils::eif_reader::EifReader;
use aws_nitro_enclaves_image_format::utils::{
    get_pcrs, EifBuilder, PcrSignatureChecker, SignEnclaveInfo,
};
use serde_json::{json, Value};
use sha2::{Digest, Sha384};
use std::{env, fs::OpenOptions, path::Path, process::ExitCode};

fn identity() -> EifIdentityInfo {
    let text = |value: &str| value.to_string();
    EifIdentityInfo {
        img_name: text("oracle"),
        img_version: text("1"),
        build_info: EifBuildInfo {
            build_time: text("1970-01-01T00:00:00+00:00"),
            build_tool: text("eif-oracle"),
            build_tool_version: text("0"),
            img_os: text("Linux"),
            img_kernel: text("0"),
        },
        docker_info: json!({}),
        custom_info: json!({"of": "AWS's builder"}),
    }
}

fn build(arguments: &[String]) -> Result<(Value, bool), String> {
    let [kernel, cmdline, output, rest @ ..] = arguments else {
        return Err("KERNEL, CMDLINE and OUTPUT are needed".to_string());
    };
    let (signer, ramdisks) = match rest {
        [flag, certificate, key, ramdisks @ ..] if flag == "--sign" => {
            (Some(SignEnclaveInfo::new(certificate, key)?), ramdisks)
        }
        ramdisks => (None, ramdisks),
    };
    let mut builder = EifBuilder::new(
        Path::new(kernel),
        cmdline.clone(),
        signer,
        Sha384::new(),
        0,
        identity(),
    );
    for ramdisk in ramdisks {
        builder.add_ramdisk(Path::new(ramdisk));
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(output)
        .map_err(|error| error.to_string())?;
    Ok((json!({ "measurements": builder.write_to(&mut file) }), true))
}

/// What `describe-eif` tells of an image, and what the launcher demands of its signature.
fn verify(image: &str) -> Result<(Value, bool), String> {
    let mut reader = EifReader::from_eif(image.to_string())?;
    let signed = reader.signature_section.is_some();
    let measurements = get_pcrs(
        &mut reader.image_hasher,
        &mut reader.bootstrap_hasher,
        &mut reader.app_hasher,
        &mut reader.cert_hasher,
        Sha384::new(),
        signed,
    )?;
    let mut signature = Value::Null;
    if signed {
        let of_this_image = reader
            .get_certificate_info(measurements.clone())
            .map(|_| reader.sign_check == Some(true));
        let by_its_certificate = PcrSignatureChecker::from_eif(image)?.verify();
        signature = json!(of_this_image == Ok(true) && by_its_certificate.is_ok());
    }
    let crc = reader.check_crc();
    let found = json!({
        "version": reader.header.version,
        "sections": reader.header.num_sections,
        "crc": crc,
        "signature": signature,
        "measurements": measurements,
        "metadata": reader.get_metadata(),
    });
    Ok((found, crc && signature != json!(false)))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [verb, rest @ ..] if verb == "build" => build(rest),
        [verb, image] if verb == "verify" => verify(image),
        _ => Err("usage: eif-oracle build|verify ...".to_string()),
    };
    match outcome {
        Ok((found, holds)) => {
            println!("{found}");
            if holds {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
