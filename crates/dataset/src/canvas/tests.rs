//! The proofs about what is drawn.

use super::*;

const FRAME: Frame = Frame {
    left: 10,
    top: 20,
    width: 90,
    height: 60,
};

fn decoded(png: &[u8]) -> (png::ColorType, Vec<u8>) {
    let mut decoder = png::Decoder::new(io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().color_type, pixels)
}

#[test]
fn a_png_holds_every_pixel_with_a_palette_where_that_is_enough() {
    let mut canvas = Canvas::new(128, 128);
    canvas.fill(FRAME, |x, y| Shades::SUV.of((x + y) as f32 / 15.0));
    let (kind, pixels) = decoded(&canvas.png().unwrap());
    assert_eq!(kind, png::ColorType::Indexed);
    assert_eq!(pixels, canvas.pixels.as_flattened());
    canvas.fill(FRAME, |x, y| [x as u8, y as u8, 7]);
    let (kind, pixels) = decoded(&canvas.png().unwrap());
    assert_eq!(kind, png::ColorType::Rgb);
    assert_eq!(pixels, canvas.pixels.as_flattened());
}

#[test]
fn coarse_greys_weigh_less_and_colours_stay() {
    let mut canvas = Canvas::new(64, 64);
    let frame = Frame {
        left: 0,
        top: 0,
        width: 64,
        height: 64,
    };
    canvas.fill(frame, |x, y| [(x * 37 + y * 91) as u8; 3]);
    canvas.fill(Frame { width: 1, ..frame }, |_, _| OUTLINE);
    let fine = canvas.png().unwrap().len();
    canvas.coarsen(8);
    assert!(canvas.png().unwrap().len() < fine);
    assert_eq!(canvas.at(0, 0), OUTLINE);
    assert_eq!(canvas.at(1, 0), [32; 3], "37");
}

#[test]
fn an_outline_is_the_rim_and_leaves_the_inside() {
    let mut canvas = Canvas::new(128, 128);
    let is_inside = |x: usize, y: usize| (20..40).contains(&x) && (20..40).contains(&y);
    canvas.outline(FRAME, is_inside);
    assert_eq!(canvas.at(10 + 20, 20 + 30), OUTLINE);
    assert_eq!(canvas.at(10 + 21, 20 + 30), OUTLINE);
    assert_eq!(canvas.at(10 + 22, 20 + 30), BACKGROUND);
    assert_eq!(canvas.at(10 + 19, 20 + 30), BACKGROUND);
    // A mask that fills the frame has a rim as well.
    canvas.outline(FRAME, |_, _| true);
    assert_eq!(canvas.at(10, 20), OUTLINE);
}

#[test]
fn captions_marks_and_bars_leave_ink_where_they_belong_and_never_leave_the_picture() {
    let drawn = |draw: &dyn Fn(&mut Canvas)| {
        let mut canvas = Canvas::new(180, 110);
        draw(&mut canvas);
        let is_ink = |&place: &usize| canvas.pixels[place] != BACKGROUND;
        let places = (0..canvas.pixels.len()).filter(is_ink);
        places
            .map(|place| (place % 180, place / 180))
            .collect::<Vec<_>>()
    };
    let caption = drawn(&|canvas| canvas.text((5, 2), Side::Left, Letters::Large, INK, "PET"));
    assert!(!caption.is_empty() && caption.iter().all(|&(x, y)| (5..35).contains(&x) && y < 22));
    let marks = drawn(&|canvas| canvas.sides(FRAME, ["R", "L", "H", "F"]));
    assert!(
        marks
            .iter()
            .all(|&(x, y)| (10..100).contains(&x) && (20..80).contains(&y))
    );
    // 10 cm of 2.5 pixels fit into 30 pixels.
    let scale = drawn(&|canvas| canvas.scale_bar(FRAME, 2.5));
    let line: Vec<usize> = scale
        .iter()
        .filter(|(_, y)| *y == 20 + 60 + GAP + 4)
        .map(|(x, _)| *x)
        .collect();
    assert_eq!((line[0], line[24]), (10, 34));
    let bar = drawn(&|canvas| canvas.colour_bar(FRAME, Shades::HU, "HU"));
    assert!(
        bar.iter()
            .all(|&(x, _)| (100 + GAP..100 + BAR_WIDTH).contains(&x))
    );
    // Neither a control nor a text that is too long leaves it.
    drawn(&|canvas| {
        canvas.text(
            (100, 100),
            Side::Left,
            Letters::Large,
            INK,
            "\u{1b}[31m a very long caption 東京",
        )
    });
}

#[test]
fn shades_end_in_black_and_white() {
    assert_eq!(Shades::SUV.of(12.0), [0; 3]);
    assert_eq!(Shades::SUV.of(-1.0), [255; 3]);
    assert_eq!(Shades::HU.of(0.0), [128; 3]);
    assert_eq!(Shades::SUV.ends(), [0.0, 10.0]);
}

#[test]
fn shades_end_where_the_values_do() {
    let ends = |shades: Shades, window| shades.within(window).ends();
    assert_eq!(ends(Shades::SUV, [0.0, 20.0]), [0.0, 10.0]);
    assert_eq!(ends(Shades::SUV, [0.0, 5.0]), [0.0, 5.0]);
    assert_eq!(Shades::SUV.within([0.0, 5.0]).of(5.0), [0; 3]);
    assert_eq!(ends(Shades::HU, [-160.0, 240.0]), [-160.0, 240.0]);
    // Nothing of the window is among the shades.
    assert_eq!(ends(Shades::SUV, [20.0, 30.0]), [0.0, 10.0]);
}
