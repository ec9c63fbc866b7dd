"""Tonight, in marimo: what the models want, the audit of each order, what became of it."""

import marimo

app = marimo.App(width="full")


@app.cell
def the_evening():
    import afterclose as ac

    desk = ac.open("demo")
    run = desk.latest()
    run
    return desk, run


@app.cell
def trades(run):
    run.trades
    return


@app.cell
def sells(run):
    run.audit.sells
    return


@app.cell
def buys(run):
    run.audit.buys
    return


@app.cell
def a_column_of_your_own(run):
    entries = run.audit.buys[run.audit.buys["Kind"] == "entry"]
    entries.assign(RiskShare=entries["RiskPerTrade"] / entries["Capital"])
    return


@app.cell
def findings(run):
    run.audit.findings
    return


@app.cell
def chart(run):
    run.chart(run.audit.buys["Contract"].iloc[0])
    return


@app.cell
def what_became_of_it(run):
    run.orders
    return


@app.cell
def past_evenings(desk):
    desk.evenings()
    return


if __name__ == "__main__":
    app.run()
