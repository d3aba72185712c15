"""The 150 classes of ADE20K's scene parsing challenge, and how detectron2 spells them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

# mmsegmentation's ADE20KDataset, without the blank that ends "bed ": the first word or two of each row of the official
# objectInfo150.txt, in its order; row k is mask value k. MaskCLIP's tools/maskclip_utils/prompt_engineering.py has the same.
_NAMES: Final = """
wall; building; sky; floor; tree; ceiling; road; bed; windowpane; grass; cabinet; sidewalk; person; earth; door;
table; mountain; plant; curtain; chair; car; water; painting; sofa; shelf; house; sea; mirror; rug; field; armchair;
seat; fence; desk; rock; wardrobe; lamp; bathtub; railing; cushion; base; box; column; signboard; chest of drawers;
counter; sand; sink; skyscraper; fireplace; refrigerator; grandstand; path; stairs; runway; case; pool table; pillow;
screen door; stairway; river; bridge; bookcase; blind; coffee table; toilet; flower; book; hill; bench; countertop;
stove; palm; kitchen island; computer; swivel chair; boat; bar; arcade machine; hovel; bus; towel; light; truck;
tower; chandelier; awning; streetlight; booth; television receiver; airplane; dirt track; apparel; pole; land;
bannister; escalator; ottoman; bottle; buffet; poster; stage; van; ship; fountain; conveyer belt; canopy; washer;
plaything; swimming pool; stool; barrel; basket; waterfall; tent; bag; minibike; cradle; oven; ball; food; step; tank;
trade name; microwave; pot; animal; bicycle; lake; dishwasher; screen; blanket; sculpture; hood; sconce; vase; traffic
light; tray; ashcan; fan; pier; crt screen; plate; monitor; bulletin board; shower; radiator; glass; clock; flag
"""
NAMES: Final = tuple(" ".join(name.split()) for name in _NAMES.split(";"))
"""In label order: mask value k is label k - 1."""

# detectron2's ADE20K_SEM_SEG_CATEGORIES (detectron2/data/datasets/builtin_meta.py), where it differs. SAN, zsseg and DeOP
# evaluate on detectron2's own registration of the dataset, so these are their prompts, each with its commas as one string.
_DETECTRON2: Final = MappingProxyType(
    {
        "road": "road, route",
        "windowpane": "window",
        "sidewalk": "sidewalk, pavement",
        "earth": "earth, ground",
        "mountain": "mountain, mount",
        "painting": "painting, picture",
        "rock": "rock, stone",
        "wardrobe": "wardrobe, closet, press",
        "bathtub": "tub",
        "railing": "rail",
        "base": "base, pedestal, stand",
        "column": "column, pillar",
        "signboard": "signboard, sign",
        "chest of drawers": "chest of drawers, chest, bureau, dresser",
        "refrigerator": "refrigerator, icebox",
        "grandstand": "grandstand, covered stand",
        "case": "case, display case, showcase, vitrine",
        "pool table": "pool table, billiard table, snooker table",
        "screen door": "screen door, screen",
        "stairway": "stairway, staircase",
        "bridge": "bridge, span",
        "blind": "blind, screen",
        "toilet": "toilet, can, commode, crapper, pot, potty, stool, throne",
        "palm": "palm, palm tree",
        "hovel": "hovel, hut, hutch, shack, shanty",
        "awning": "awning, sunshade, sunblind",
        "streetlight": "street lamp",
        "television receiver": "tv",
        "airplane": "plane",
        "apparel": "clothes",
        "land": "land, ground, soil",
        "bannister": "bannister, banister, balustrade, balusters, handrail",
        "escalator": "escalator, moving staircase, moving stairway",
        "ottoman": "ottoman, pouf, pouffe, puff, hassock",
        "buffet": "buffet, counter, sideboard",
        "poster": "poster, posting, placard, notice, bill, card",
        "conveyer belt": "conveyer belt, conveyor belt, conveyer, conveyor, transporter",
        "washer": "washer, automatic washer, washing machine",
        "plaything": "plaything, toy",
        "swimming pool": "pool",
        "barrel": "barrel, cask",
        "basket": "basket, handbasket",
        "waterfall": "falls",
        "minibike": "minibike, motorbike",
        "food": "food, solid food",
        "step": "step, stair",
        "tank": "tank, storage tank",
        "blanket": "blanket, cover",
        "hood": "hood, exhaust hood",
        "ashcan": "trash can",
        "glass": "glass, drinking glass",
    }
)


def detectron2_names() -> tuple[str, ...]:
    """The 150 names as detectron2 has them, blanks at their ends stripped."""
    return tuple(_DETECTRON2.get(name, name) for name in NAMES)
