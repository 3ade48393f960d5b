"""The ways in which trading fails, and what this product does about each, in a sentence each."""

from typing import NamedTuple


class Mode(NamedTuple):
    """One way to fail."""

    title: str
    answer: str


GROUPS = {
    "A": "The broker's order API",
    "B": "Order updates and market data",
    "C": "Processes, database, Redis, time",
    "D": "Instruments, files, inputs",
    "E": "Trading",
    "F": "People and pages",
}

MODES = {
    "A1": Mode(
        "An order request is lost before the broker",
        "It is unknown until three clean negatives after the quarantine; then it is given up, never called executed.",
    ),
    "A2": Mode(
        "The broker took the order and its answer is lost",
        "The order is found by its correlation id and taken over; while it is unknown nothing is sent for that leg.",
    ),
    "A3": Mode(
        "A request arrives late, after we gave up waiting",
        "The quarantine outlasts it; what comes still later is cancelled, its fills booked, a person called.",
    ),
    "A4": Mode(
        "Server errors, answers that are no JSON, acceptance without an order id",
        "Only what proves acceptance or refusal counts as one; everything else is unknown.",
    ),
    "A5": Mode(
        "The broker says we are too fast",
        "One governor in PostgreSQL keeps every window for all processes and a share for exits; a refused order waits.",
    ),
    "A6": Mode(
        "No connection, no name, no TLS",
        "Only a failure before the first byte counts as not sent; a kept connection that dies is unknown.",
    ),
    "A7": Mode(
        "The HTTP library repeats or redirects a request",
        "The transport does neither and takes no proxy from the environment: one attempt is one request.",
    ),
    "A8": Mode(
        "The answer drips in forever",
        "One deadline bounds the whole exchange, 8 s for writes and 5 s for reads.",
    ),
    "A9": Mode(
        "One correlation id stands for two orders",
        "The book is read by name; of two orders the newer is cancelled, what it filled is for a person.",
    ),
    "A10": Mode(
        "A correlation id that is too long or has a bad character",
        "Names are made of 21 legal characters, checked once more before the request and by the database.",
    ),
    "A11": Mode(
        "A refusal that names no field",
        "Every field is checked here before it leaves, and the broker's words are kept with the order.",
    ),
    "A12": Mode(
        "The order is at the broker and not yet visible",
        "Not finding it means nothing before the quarantine is over, and only a plain not-found counts then.",
    ),
    "A13": Mode(
        "A book that cannot be read, is cut or is old",
        "It is no evidence: it must hold every order we know of, else it is put aside and nothing changes.",
    ),
    "A14": Mode(
        "The token dies in the middle of a basket",
        "No leg is opened, a person is called, one refresh is tried, and sockets are rebuilt with the new token.",
    ),
    "A15": Mode(
        "The broker does not know our address",
        "It is a refusal of its own code; nothing is tried again.",
    ),
    "A16": Mode(
        "A cancel is lost, or races with a fill",
        "The attempt stays open until the book says how it ended; a fill wins, and no other attempt starts before.",
    ),
    "A17": Mode(
        "A modified order grows",
        "No order is modified: another price is another order, once the old one has ended.",
    ),
    "A18": Mode(
        "The broker's own slicing loses track of a slice",
        "It is not used: we cut below the freeze quantity, and every slice is an order with a name of its own.",
    ),
    "A19": Mode(
        "A status or a spelling that nobody documented",
        "The list of states is closed and read in either casing; any other word fails the read.",
    ),
    "A20": Mode(
        "The broker is away while positions are open",
        "A read that failed is never an empty account; what is held stays held until the books can be read.",
    ),
    "A21": Mode(
        "Practice orders reach the real account",
        "Live and practice take different credentials and addresses, and a test run counts packets to other hosts.",
    ),
    "B1": Mode(
        "The order stream dies without a word",
        "It is only a hint; the books are read while anything is under way, and a silent socket is opened anew.",
    ),
    "B2": Mode("An update comes twice", "Fills are cumulative and trades unique: the second changes nothing."),
    "B3": Mode("Updates come out of order", "States follow their table and filled quantities only grow."),
    "B4": Mode(
        "An update never comes",
        "Every reconnection is followed by a look at the books, and an end counts only with its trades.",
    ),
    "B5": Mode("The fill is there before our own acknowledgement", "It is attached by correlation id."),
    "B6": Mode("An order we did not place", "It is kept as external and belongs to no strategy."),
    "B7": Mode("More is filled than was asked for", "The run stops for a person; nothing is cut to fit."),
    "B8": Mode(
        "Broken, cut or oversized frames",
        "A bad frame costs itself, at worst its connection.",
    ),
    "B9": Mode(
        "Garbage that looks like a price",
        "A price is asked for by its instrument; a collar and the spread bound what is paid.",
    ),
    "B10": Mode(
        "The line lives and prices stand still",
        "A price carries its own moment: an old one opens nothing and decides no exit.",
    ),
    "B11": Mode("A contract that simply does not trade", "The age of a price is its own, whatever others do."),
    "B12": Mode(
        "A reconnection forgets its subscriptions, or gives up",
        "After every opening it logs in and the book is read; it tries for ever, at least twice a minute.",
    ),
    "B13": Mode(
        "Too many sockets on one token",
        "A refusal for pace cools off for a minute before the next connection.",
    ),
    "B14": Mode("Prices that are no number, negative or absurd", "They are refused where they come in."),
    "B15": Mode(
        "Thousands of ticks a second and a slow reader",
        "Prices are asked for, not listened to: there is no queue.",
    ),
    "B16": Mode("A slow browser", "Pages get hints and load anew; nothing that trades waits for them."),
    "B17": Mode("A forged postback", "There is no address that takes postbacks."),
    "C1": Mode(
        "Killed before the intent is committed",
        "Nothing was sent: INTENT and SENDING are committed before the request.",
    ),
    "C2": Mode("Killed between intent and sending", "An intent left behind is provably unsent and becomes void."),
    "C3": Mode("Killed around the request", "What was being sent is unknown at the next start and looked up."),
    "C4": Mode(
        "Killed while a basket is taken back",
        "Exits are ordinary orders of the same core, shorts first, and go on at the next start.",
    ),
    "C5": Mode(
        "A process that slept wakes up late",
        "Its clearance is older than two seconds and its epoch is over: it sends nothing.",
    ),
    "C6": Mode(
        "Two executors at once",
        "A lock, a lease with an epoch and one live order per leg: one of them acts.",
    ),
    "C7": Mode("A task is delivered twice", "Work is claimed by a conditional UPDATE; the second finds nothing to do."),
    "C8": Mode("A task is lost", "The row is the queue: the trader polls PostgreSQL, Redis only wakes it sooner."),
    "C9": Mode("Redis is gone", "Trading needs PostgreSQL alone; announcements and wakes cost a warning."),
    "C10": Mode("Redis forgets", "It evicts nothing, keeps a log, and holds nothing that cannot be made again."),
    "C11": Mode("A worker hangs", "Rows it had claimed stay visible as under way."),
    "C12": Mode(
        "PostgreSQL restarts in the middle of a transaction",
        "The leader starts over, reads its rows by their unique names and goes on.",
    ),
    "C13": Mode("A commit succeeded and nobody heard", "Unique names make the second attempt find the first."),
    "C14": Mode(
        "Deadlocks and lock waits",
        "No network call stands inside a transaction; who loses a race gives up and the next pass decides anew.",
    ),
    "C15": Mode(
        "Two runs pass one limit together",
        "Limits are taken under a lock of the account, and one leader sends for it.",
    ),
    "C16": Mode("The database takes no more writes", "Without a committed intent nothing is sent."),
    "C17": Mode(
        "An older backup is restored",
        "An order that bears our mark and is not in our books is critical: nothing opens until a person has looked.",
    ),
    "C18": Mode(
        "The clock jumps or the time zone is wrong",
        "Sessions are Indian time by the calendar, leases run by the database's clock, durations by a monotonic one.",
    ),
    "C19": Mode(
        "Midnight, holidays, special sessions",
        "Hours come from a dated calendar; a day it does not know is closed.",
    ),
    "C20": Mode("Memory or files leak over a session", "Maps are bounded by instruments and open runs."),
    "C21": Mode(
        "Old and new code run at once",
        "The version is written into leases and runs, and arming live is for one version.",
    ),
    "C22": Mode("A retired path is switched on again", "There are no feature flags; what is retired is removed."),
    "C23": Mode(
        "A migration is missing",
        "Health is 503 and commands end with a sentence that says what to run.",
    ),
    "C24": Mode("Logging fails", "Nothing that trades depends on a log line."),
    "D1": Mode(
        "An old lot size",
        "Lots come from today's master for each contract, no default; one that changed since the review denies.",
    ),
    "D2": Mode(
        "A position in odd lots after a revision",
        "An exit closes exactly what is held, whatever the lot is today.",
    ),
    "D3": Mode("An expired contract or the wrong expiry", "It is resolved by exact terms and refused after its day."),
    "D4": Mode(
        "A security id that means another contract now",
        "A reused id is a new row; terms must match the approved leg when it is sent.",
    ),
    "D5": Mode(
        "The freeze quantity is exceeded or unknown",
        "Orders are cut below it; a dated table that does not know refuses to guess.",
    ),
    "D6": Mode("A price between ticks", "Limits are exact multiples of the tick in Decimal, rounded to the safe side."),
    "D7": Mode(
        "A price outside the exchange's band",
        "The collar lies inside the band, and a check refuses what comes near it.",
    ),
    "D8": Mode(
        "A master that is cut, a web page, or too small",
        "It is refused whole with its reason; the one before is then stale, and nothing is entered on it.",
    ),
    "D9": Mode(
        "Hostile uploads",
        "Size, rows and form are bounded, one bad row refuses the file, exports hold no formula.",
    ),
    "D10": Mode("The same strategy twice", "One content is one row per day, and marking twice is a conflict."),
    "D11": Mode(
        "A number typed into the wrong field",
        "Lots and rupees are limited for each leg, basket, order and day.",
    ),
    "D12": Mode(
        "A leg is missing, doubled or inverted",
        "All legs resolve and pass before the first is sent, else the whole basket is denied.",
    ),
    "D13": Mode(
        "The market left what was reviewed",
        "Spot, premium, lot, strike, band and age are compared; the refusal shows the difference.",
    ),
    "D14": Mode("Hostile JSON", "Bodies are bounded and typed; what is no number or no object is refused."),
    "E1": Mode(
        "A leg in the middle is rejected",
        "The basket is completed or taken back within its time limits, shorts first.",
    ),
    "E2": Mode("A bought leg fills in part", "A short is never larger than what covers it and is filled."),
    "E3": Mode("Nothing fills", "Every phase has an end; the basket ends flat."),
    "E4": Mode("The hedge is there and the short is refused", "It is tried once more, then the hedge is sold."),
    "E5": Mode(
        "An exit is rejected",
        "Only fills close a position; one that is still held is tried again.",
    ),
    "E6": Mode("Stop and target at once", "One open run per strategy, whatever it is for."),
    "E7": Mode("An exit while the entry still works", "The entry's orders are ended and settled first."),
    "E8": Mode(
        "Somebody trades by hand",
        "No exit closes what the broker does not show; a difference two reads agree on is critical and stops entries.",
    ),
    "E9": Mode("The broker squares off by itself", "Only carried positions are traded, and entries end at 15:00."),
    "E10": Mode("The day's loss limit is hit in a basket", "The run settles into a safe state and nothing opens."),
    "E11": Mode("Profit from a missing price", "Unknown is not zero: it neither trips nor hides a limit."),
    "E12": Mode("The same trade again and again", "The same legs are not entered twice in a minute."),
    "E13": Mode("Margin shrinks before the order", "Margin is asked for with headroom over what others reserved."),
    "E14": Mode(
        "Carried into expiry",
        "Every strategy has a day before expiry on which it is left, and past it the rule still holds.",
    ),
    "E15": Mode(
        "Paper is kinder than the market",
        "It fills at the opposite touch, no more than is shown, late, in parts, and rejects.",
    ),
    "E16": Mode(
        "The kill switch at any moment",
        "It is read under a lock in the transaction that clears an order, so no later one passes.",
    ),
    "F1": Mode("Two reviewers at once", "One wins row by row, the other is told; every step is one line of history."),
    "F2": Mode("Marking while it executes", "The database allows no step that its table does not hold."),
    "F3": Mode("Everything selected at once", "At most twenty rows at a time, refused whole beyond that."),
    "F4": Mode("Changed after approval", "The approval holds a hash of the content and ends with its day."),
    "F5": Mode(
        "States edited by hand",
        "Triggers hold the tables of the state machines against SQL, shell and admin, and name who it was.",
    ),
    "F6": Mode("Forged forms", "Every change needs the token, pages that only show refuse all else."),
    "F7": Mode("Somebody else's rows", "Roles are tested against every page; what one may not, one does not get."),
    "F8": Mode(
        "A socket from elsewhere or without a session",
        "Origin and session are checked when it opens; the stream holds hints and takes no words.",
    ),
    "F9": Mode("Rights are taken away", "They are read at every request: the next one is refused."),
    "F10": Mode("A stolen or planted session", "Its key changes at sign-in; live trading needs two persons."),
    "F11": Mode("Passwords are guessed", "Sign-in is Django's own."),
    "F12": Mode("A forged forwarding header", "No limit depends on the caller's address."),
    "F13": Mode("A token in a log", "No log, table, page or command shows one, at any level."),
    "F14": Mode("Scripts in names", "Templates escape, and pages hold no inline script."),
    "F15": Mode(
        "History is edited",
        "The database writes a hash chain nobody may change; verifying names the row, a kept head shows a cut tail.",
    ),
    "F16": Mode("Everything is restarted", "Starting is recovering: the same code at any moment."),
    "F17": Mode("Nobody reads the alerts", "A critical alert stops entries until a person has acknowledged it."),
}

# Also run by hand, `make drills`; named as tests/drills/__main__.py does.
DRILLED = {
    "C5": ("stopped",),
    "C6": ("six",),
    "C7": ("claims", "tasks"),
    "C8": ("redis",),
    "C9": ("redis",),
    "C12": ("postgres",),
    "E6": ("exits",),
    "F1": ("reviewers",),
}

NOT_COVERED = {
    "B9": "No price is compared with the one before it, nor with a second source.",
    "B11": "There is no price feed yet, so no silence of one to tell from a quiet contract.",
    "B15": "Nothing measures five thousand ticks a second, nor how soon a stop acts on one: exits poll their prices.",
    "B16": "No test floods a slow browser.",
    "B17": "There is nothing to test until a postback address exists.",
    "C11": "No heartbeat of a worker is kept; a hung one is seen by its rows only.",
    "C18": "The host's, the database's and the broker's clocks are not compared with each other.",
    "C20": "Nothing soaks a whole session yet.",
    "C21": "The version is recorded and, but for live arming, compared with nothing.",
    "C22": "There is no flag to reuse, and no lint that would find one.",
    "C24": "No test breaks a log handler.",
    "D2": "No scan compares open positions with the next day's master.",
    "E9": "No order of the broker's own risk desk is told apart from other external ones.",
    "F11": "Nothing slows or locks repeated sign-ins.",
    "F12": "There is no limit to get around: none is counted by address.",
}
