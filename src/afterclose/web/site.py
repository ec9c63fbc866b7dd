"""What the addresses of the review page lead to: which page is drawn of what."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.errors import AfterCloseError
from afterclose.evening import run_files
from afterclose.evening.past_evenings import past_evenings
from afterclose.report.nav import render_nav
from afterclose.web.access import DeskAccess
from afterclose.web.acts import Acts, require_shown
from afterclose.web.evenings import Evening, Evenings
from afterclose.web.pages import Pages
from afterclose.web.standing import Standing

#: Where the page of the drift leads.
_LINKS = (("Evenings", "/evenings"), ("Newest evening", "/"))


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the addresses lead to."""

    access: DeskAccess
    evenings: Evenings
    acts: Acts
    pages: Pages

    def newest(self) -> str | None:
        """Return the address of the newest evening; None before the first."""
        folders = self.evenings.folders()
        return f"/evening/{folders[0].path.name}" if folders else None

    def draw_newest(self) -> None:
        """Draw the newest evening before somebody waits for it."""
        folders = self.evenings.folders()
        with suppress(AfterCloseError):  # whoever opens it is told
            if folders and folders[0].has(run_files.VIEW):
                self.pages.parts(self.evenings.read(folders[0]))

    def page(self, folder: RunFolder) -> str:
        """Draw one evening, or how far it came."""
        if not folder.has(run_files.VIEW):
            manifest = self.evenings.manifest(folder)
            return self.pages.plain(
                f"{manifest.session}: not prepared",
                text="This evening has no report: it was not prepared to its end.",
                hint="see what the last stage said, then run “afterclose run” again",
                manifest=manifest,
            )
        return self.pages.evening(self.evenings.read(folder))

    def live(self, folder: RunFolder) -> str:
        """Draw what of an evening changes while one looks."""
        return self.pages.live(self.evenings.read(folder))

    def pulse(self, folder: RunFolder) -> str:
        """Return a text that differs whenever the page would."""
        standing = self.evenings.read(folder).standing
        records = standing.records
        halted = "" if records.halted is None else records.halted.at.isoformat()
        counts = f"{records.heard} {len(records.notes)} {records.connected} {halted}"
        return f"{standing.version} {standing.phase.value} {counts}"

    def past(self) -> str:
        """Draw the list of evenings."""
        return self.pages.past(past_evenings(self.evenings.folders(), self.access.ledger))

    def drift(self) -> str | None:
        """Draw the account beside the models; None before an evening was compared."""
        for folder in self.evenings.folders():
            history = run_files.read_nav(folder)
            if history is not None:
                return render_nav(history, _LINKS)
        return None

    def sheet(self, folder: RunFolder, name: str, ref: str, shown: str) -> str:
        """Draw a sheet; a name or an order that is none gives a problem to read.

        ``shown`` is the digest of what the page around it shows: of another evening than that on
        disk nothing can be decided. Raises ApprovalVoid.
        """
        evening = self.evenings.read(folder)
        standing = evening.standing
        if not name.startswith("cancel"):
            require_shown(standing, shown)
        if name in {"approve", "approve-clear"} and standing.open_to_decision:
            return self._approval(evening, only="clear" if name == "approve-clear" else "all")
        if name == "reject":
            return self.pages.sheet("reject", evening)
        if name == "send" and standing.records.approval is not None:
            return self._sending(evening)
        cancelled = [o for o in standing.working if ref in {"", o.order.order_ref}]
        if name in {"cancel", "cancel-all"} and cancelled:
            return self.pages.sheet("cancel", evening, orders=cancelled)
        return self.pages.problem("Not now", f"There is nothing to do here: {_phase(standing)}.")

    def _sending(self, evening: Evening) -> str:
        netting = self.evenings.netted(evening, _approved(evening))
        left = _left(evening)
        going = [o for o in netting.orders if o.order_ref not in left]
        return self.pages.sheet("send", evening, going=going, netting=netting)

    def _approval(self, evening: Evening, *, only: str) -> str:
        standing = evening.standing
        flagged = () if only == "clear" else standing.flagged
        going = standing.clear if only == "clear" else standing.going
        refs = {o.order_ref for o in going}
        rows = evening.view.audit.rows
        cleared = {o.order_ref for o in evening.view.audit.cleared_orders()}
        left_out = [
            r for r in rows if r.order.order_ref in cleared and r.order.order_ref not in refs
        ]
        return self.pages.sheet(
            "approve",
            evening,
            going=going,
            flagged=flagged,
            left_out=left_out,
            only=only,
            netting=self.evenings.netted(evening, going),
            ends=nightly.approval_end(self.access.desk),
        )


def _phase(standing: Standing) -> str:
    return standing.phase.value


def _approved(evening: Evening) -> list[BasketOrder]:
    """Return the approved rows, as the approval names them."""
    records = evening.standing.records
    refs = set(records.approval.order_refs) if records.approval else set()
    return [o for o in records.audit.cleared_orders() if o.order_ref in refs]


def _left(evening: Evening) -> frozenset[str]:
    orders = evening.standing.orders
    return frozenset(o.order.order_ref for o in orders if o.state is not OrderState.INTENDED)
