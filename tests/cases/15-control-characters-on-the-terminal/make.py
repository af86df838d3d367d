"""Names that hold commands for a terminal: `made` writes it into a folder."""

from datetime import datetime, timedelta
from pathlib import Path


def made(target: Path) -> None:
    (target / "in").mkdir(parents=True, exist_ok=True)
    title, clear, red, backwards = "\x1b]0;renamed window\x07", "\x1b[2J\x1b[H", "\x1b[31m", "\u202e"
    columns, start = "event_id,event_time,user_id,feature,event_type,properties\n", datetime(2025, 5, 5, 8)
    rows = []
    for number in range(60):
        user = f"u{number % 9}{title}" if number % 20 == 3 else f"u{number % 9}"
        feature = f"search{red}" if number % 20 == 7 else f"{backwards}hcraes" if number % 20 == 11 else "search"
        extra = f"{{{clear}}}" if number % 20 == 15 else "{}"
        rows.append(f"e{number},{(start + timedelta(minutes=number)).isoformat()},{user},{feature},use,{extra}\n")
    (target / "in" / "app.csv").write_text(columns + "".join(rows))
    for number, name in enumerate((f"b{red}red.csv", "[red]c.csv", "d'quote.csv", "e\nline.csv")):
        (target / "in" / name).write_text(f"{columns}f{number},2025-05-05T10:00:00,u1,search,use,{{}}\n")
    (target / "in" / "g.csv").write_text(
        f"event_id,event_time,user_id,fea{red}ture,event_type\ng1,2025-05-05,u1,search,use\n"
    )
    (target / "product.yaml").write_text(
        f'name: "Colour \\e[31mred\\e[0m [bold]x[/]"\nstart: 2025-05-05\nend: 2025-05-05\n'
        f"sources:\n  - name: app\n    files: {target}/in/*.csv\n"
    )
