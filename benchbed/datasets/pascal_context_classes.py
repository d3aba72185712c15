"""The 459 classes of PASCAL Context, the 59 most frequent of them, and how authors spell them."""

from __future__ import annotations

from typing import Final

# labels.txt of the dataset, in the order of its ids 1 to 459, as SAN's register_pcontext.py has them. The dataset's own
# spelling is kept ("casette recorder"); "unknown" is one of its classes.
_NAMES: Final = """
accordion; aeroplane; air conditioner; antenna; artillery; ashtray; atrium; baby carriage; bag; ball; balloon; bamboo
weaving; barrel; baseball bat; basket; basketball backboard; bathtub; bed; bedclothes; beer; bell; bench; bicycle;
binoculars; bird; bird cage; bird feeder; bird nest; blackboard; board; boat; bone; book; bottle; bottle opener; bowl;
box; bracelet; brick; bridge; broom; brush; bucket; building; bus; cabinet; cabinet door; cage; cake; calculator;
calendar; camel; camera; camera lens; can; candle; candle holder; cap; car; card; cart; case; casette recorder; cash
register; cat; cd; cd player; ceiling; cell phone; cello; chain; chair; chessboard; chicken; chopstick; clip;
clippers; clock; closet; cloth; clothes tree; coffee; coffee machine; comb; computer; concrete; cone; container;
control booth; controller; cooker; copying machine; coral; cork; corkscrew; counter; court; cow; crabstick; crane;
crate; cross; crutch; cup; curtain; cushion; cutting board; dais; disc; disc case; dishwasher; dock; dog; dolphin;
door; drainer; dray; drink dispenser; drinking machine; drop; drug; drum; drum kit; duck; dumbbell; earphone;
earrings; egg; electric fan; electric iron; electric pot; electric saw; electronic keyboard; engine; envelope;
equipment; escalator; exhibition booth; extinguisher; eyeglass; fan; faucet; fax machine; fence; ferris wheel; fire
extinguisher; fire hydrant; fire place; fish; fish tank; fishbowl; fishing net; fishing pole; flag; flagstaff; flame;
flashlight; floor; flower; fly; foam; food; footbridge; forceps; fork; forklift; fountain; fox; frame; fridge; frog;
fruit; funnel; furnace; game controller; game machine; gas cylinder; gas hood; gas stove; gift box; glass; glass
marble; globe; glove; goal; grandstand; grass; gravestone; ground; guardrail; guitar; gun; hammer; hand cart; handle;
handrail; hanger; hard disk drive; hat; hay; headphone; heater; helicopter; helmet; holder; hook; horse; horse-drawn
carriage; hot-air balloon; hydrovalve; ice; inflator pump; ipod; iron; ironing board; jar; kart; kettle; key;
keyboard; kitchen range; kite; knife; knife block; ladder; ladder truck; ladle; laptop; leaves; lid; life buoy; light;
light bulb; lighter; line; lion; lobster; lock; machine; mailbox; mannequin; map; mask; mat; match book; mattress;
menu; metal; meter box; microphone; microwave; mirror; missile; model; money; monkey; mop; motorbike; mountain; mouse;
mouse pad; musical instrument; napkin; net; newspaper; oar; ornament; outlet; oven; oxygen bottle; pack; pan; paper;
paper box; paper cutter; parachute; parasol; parterre; patio; pelage; pen; pen container; pencil; person; photo;
piano; picture; pig; pillar; pillow; pipe; pitcher; plant; plastic; plate; platform; player; playground; pliers;
plume; poker; poker chip; pole; pool table; postcard; poster; pot; pottedplant; printer; projector; pumpkin; rabbit;
racket; radiator; radio; rail; rake; ramp; range hood; receiver; recorder; recreational machines; remote control;
road; robot; rock; rocket; rocking horse; rope; rug; ruler; runway; saddle; sand; saw; scale; scanner; scissors;
scoop; screen; screwdriver; sculpture; scythe; sewer; sewing machine; shed; sheep; shell; shelves; shoe; shopping
cart; shovel; sidecar; sidewalk; sign; signal light; sink; skateboard; ski; sky; sled; slippers; smoke; snail; snake;
snow; snowmobiles; sofa; spanner; spatula; speaker; speed bump; spice container; spoon; sprayer; squirrel; stage;
stair; stapler; stick; sticky note; stone; stool; stove; straw; stretcher; sun; sunglass; sunshade; surveillance
camera; swan; sweeper; swim ring; swimming pool; swing; switch; table; tableware; tank; tap; tape; tarp; telephone;
telephone booth; tent; tire; toaster; toilet; tong; tool; toothbrush; towel; toy; toy car; track; train; trampoline;
trash bin; tray; tree; tricycle; tripod; trophy; truck; tube; turtle; tvmonitor; tweezers; typewriter; umbrella;
unknown; vacuum cleaner; vending machine; video camera; video game console; video player; video tape; violin;
wakeboard; wall; wallet; wardrobe; washing machine; watch; water; water dispenser; water pipe; water skate board;
watermelon; whale; wharf; wheel; wheelchair; window; window blinds; wineglass; wire; wood; wool
"""
NAMES_459: Final = tuple(" ".join(name.split()) for name in _NAMES.split(";"))
"""In label order: the id in a LabelMap of the dataset is label + 1."""

# mmsegmentation's tools/dataset_converters/pascal_context.py, sorted, without 0: the ids of the 59 classes. A label map of
# the 59 holds their places in this order, 1 to 59, and 0 for all other classes.
IDS_59: Final = (
    2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144,
    158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355,
    360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458,
)  # fmt: skip
NAMES_59: Final = tuple(NAMES_459[label - 1] for label in IDS_59)
"""In label order, alphabetical: mmsegmentation's names. The dataset's own 59_labels.txt has another order."""


def spelt(names: tuple[str, ...], **changes: str) -> tuple[str, ...]:
    """The names with some replaced; keywords are class names."""
    return tuple(changes.get(name, name) for name in names)
