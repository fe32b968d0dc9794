"""make.py: the files of pandas, openpyxl, and of Excel's conventions; make.sh runs it."""
import datetime

import openpyxl
import pandas
from openpyxl.styles import numbers

HEADINGS = ["Phone Number", "Amount", "Campaign"]
ROWS = [("0711000000", 1000, "café ✓"), ("0722000001", 10.5, None), ("+254733000002", 25, None)]

with open("list.csv", "w", encoding="utf-8") as out:
    out.write("Phone Number,Amount,Campaign\n0711000000,\"1,000.00\",café ✓\n"
              "0722000001,10.50,\n+254733000002,25,\n")

# pandas: a column of numbers with one gap is a column of floats, and the index has no name.
frame = pandas.DataFrame({"phone_number": [711000000, 722000001, 254733000002],
                          "amount": [1000, 10.5, 25], "campaign": ["café ✓", None, None]})
frame.to_csv("pandas.csv", index=False)
frame.to_csv("pandas-index.csv")
frame.astype({"phone_number": float}).to_csv("pandas-float.csv", index=False)
frame.to_csv("pandas-tab.txt", index=False, sep="\t", encoding="utf-16")
frame.to_csv("pandas-german.csv", index=False, sep=";", decimal=",", lineterminator="\r\n")
frame.to_excel("pandas.xlsx", index=False)
frame.to_excel("pandas-index.xlsx")

# Excel: "CSV UTF-8" in a country with commas for decimals, "Unicode Text", and "CSV (Macintosh)".
lines = [["Phone Number", "Amount", "Campaign"], ["711000000", "1000,00", "café ✓"],
         ["722000001", "10,50", ""], ["254733000002", "25,00", ""]]
with open("excel-german.csv", "w", encoding="utf-8-sig", newline="\r\n") as out:
    out.write("".join(";".join(line) + "\n" for line in lines))
with open("excel-unicode.txt", "wb") as out:
    text = "".join("\t".join(line) + "\r\n" for line in lines)
    out.write(b"\xff\xfe" + text.replace("1000,00", "\"1,000.00\"").replace(",50", ".50")
              .replace("25,00", "25.00").encode("utf-16-le"))
with open("excel-macintosh.csv", "w", encoding="utf-8", newline="\r") as out:
    out.write("".join(",".join(line).replace(",00", "").replace(",50", ".50") + "\n"
                      for line in lines))
with open("excel-spoilt.csv", "w", encoding="utf-8-sig", newline="\r\n") as out:
    out.write("Phone Number;Amount\n2,54711E+11;10\n711000001;#NAME?\n")

# Numbers with any format, texts, a table that does not begin in the corner, and other sheets.
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Numbers"
for column, heading in enumerate(HEADINGS, 3):
    sheet.cell(4, column, heading)
formats = [("0", "#,##0.00"), ("#,##0", "0%"), (numbers.FORMAT_TEXT, '"KES" 0.0')]
for i, (phone, amount, campaign) in enumerate(ROWS):
    row = 5 + 2 * i
    sheet.cell(row, 3, int(phone.lstrip("+0"))).number_format = formats[i][0]
    sheet.cell(row, 4, amount).number_format = formats[i][1]
    sheet.cell(row, 5, campaign)
other = book.create_sheet("Texts")
other.append(HEADINGS)
for phone, amount, campaign in ROWS:
    other.append([phone, str(amount), campaign])
secret = book.create_sheet("Hidden", 0)
secret.sheet_state = "hidden"
secret.append(["nothing"])
book.active = 1
book.save("openpyxl.xlsx")

# What is spoilt, a row for each; the last one is right, and hidden.
book = openpyxl.Workbook()
sheet = book.active
sheet.append(["Phone", "Amount", "Name"])
for row in [("2.54711E+11", 10), ("=A2", 10), (711000003, "=5*2"), (711000004, "1,50"),
            (711000005, datetime.date(2026, 12, 4)), (datetime.datetime(2026, 12, 4, 9), 10),
            (711000007, True), ("#N/A", 10), (711000009.5, 10), (-711000010, 10),
            (711000011, 10.123), (711000012, 40), (711000013, 50)]:
    sheet.append([*row, "=1+1"])
sheet.cell(13, 2).number_format = "[$USD] #,##0"
sheet.row_dimensions[14].hidden = True
book.save("openpyxl-spoilt.xlsx")
